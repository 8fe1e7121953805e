// Control tokens in what a user wrote: marked before the chat is rendered, so that afterwards those of the template are
// control tokens and those of the user are ordinary text. The marks are private-use characters, taken out of the user's
// text first. Text only: the caller encodes the pieces. Immutable; any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat/chat_request.h"

namespace hone::text {

// What stands before and behind a user's control token. Whatever quotes text (repr, JSON in ASCII) must leave it as it
// is: an escaped mark would guard nothing.
bool is_control_mark(char32_t code_point);

// Part of a rendered chat.
struct ChatPiece {
    std::string_view text;
    // A control token that a user wrote: to be encoded as ordinary text, no added token recognised.
    bool is_plain = false;
};

class ControlTokens {
  public:
    // `tokens`: the texts that must not work when a user writes them. `model_tokens`: those that must not either, but
    // that the model itself writes, such as </think>: in messages of the role "assistant" they work, and templates may
    // look for them there. Of several that match at a place the longest counts.
    explicit ControlTokens(std::vector<std::string> tokens, std::vector<std::string> model_tokens = {});

    // The tokens marked in all strings of the messages, tools, documents and variables, names of members included.
    ChatRequest mark(ChatRequest request) const;

    // The chat that a template made of a marked request, cut at the marks, which are gone. Marks that the template has
    // separated from their token still cut. `chat` must outlive the pieces.
    std::vector<ChatPiece> split(std::string_view chat) const;

  private:
    struct Token {
        std::string text;
        bool is_models;
    };
    // Bytes of the token there, or 0; the model's tokens are looked for only on request.
    size_t match(std::string_view text, size_t at, bool with_models) const;
    void mark(boost::json::value& value, bool with_models) const;
    void mark_members(boost::json::object& object, bool with_models) const;
    std::string mark(std::string_view text, bool with_models) const;

    std::array<std::vector<Token>, 256> by_first_byte_;  // longest first
};

}  // namespace hone::text
