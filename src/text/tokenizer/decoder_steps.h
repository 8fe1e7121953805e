// The decoder section of tokenizer.json as a list of steps, each a function of one token's text. They run once at load,
// to fill the tables of a Decoder. Pure, any thread.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "text/tokenizer/decoder.h"
#include "text/tokenizer/pattern.h"

namespace hone::text {

struct ByteLevelDecode {};     // characters of the byte alphabet are bytes
struct ByteFallbackDecode {};  // "<0x41>" is a byte
struct ReplaceDecode {
    std::shared_ptr<const Pattern> pattern;
    std::string content;
};
struct StripDecode {
    std::string content;  // one character
    size_t start = 0, stop = 0;
};
struct MetaspaceDecode {
    std::string replacement;
    bool drops_first = true;  // the replacements of the first token are left out
};
struct WordPieceDecode {
    std::string prefix;
    bool cleanup = true;
};
struct SpaceBetween {};  // no decoder at all: tokens are joined by spaces

using DecodeStep = std::variant<ByteLevelDecode, ByteFallbackDecode, ReplaceDecode, StripDecode, MetaspaceDecode,
                                WordPieceDecode, SpaceBetween>;

struct DecodeSteps {
    std::vector<DecodeStep> steps;
    int leading_spaces = 0;  // a Strip behind a Fuse strips the text, not the tokens

    // Whether the first token of a text is decoded in another way.
    bool first_differs() const;
    std::string token_bytes(std::string_view token, bool first) const;
};

}  // namespace hone::text
