// What hone serve says when it is ready: where it listens, and three things to try that work as they are pasted.
#pragma once

#include <cstdint>
#include <string>

namespace hone::cli {

struct Welcome {
    std::string host;  // as --host has it
    uint16_t port = 0;
    std::string model;       // what requests call it
    bool reads_text = true;  // has a tokenizer; prompts are ids otherwise
    bool wants_key = false;  // the reader's shell has one in KEY
    bool shows_page = true;
};

// The first line, "listening on http://HOST:PORT", is for programs too: it is the address as it was bound.
std::string welcome_text(const Welcome& server);

}  // namespace hone::cli
