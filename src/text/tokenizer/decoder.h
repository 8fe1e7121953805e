// From ids to bytes. What a loader read is boiled down to tables: the bytes of every token, and where the first token
// of a text looks different, its bytes there; plus a rule about leading spaces. So decoding is the same for whole texts
// and streams. Immutable after loading, any thread; a DecodeState belongs to one text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/vocabulary.h"

namespace hone::text {

// Byte strings by token id.
class TokenTable {
  public:
    void set(TokenId id, std::string_view bytes);
    std::optional<std::string_view> find(TokenId id) const;
    bool empty() const { return entries_.empty(); }

  private:
    struct Entry {
        size_t begin = 0;
        uint32_t length = 0;
        bool present = false;
    };
    std::string bytes_;
    std::vector<Entry> entries_;
};

struct DecodeState {
    bool first_token = true;  // nothing has been decoded yet
    bool at_start = true;     // no byte has been written yet
    int dropped = 0;          // leading spaces left out so far
};

struct Decoder {
    TokenTable tokens;
    TokenTable first_tokens;        // empty if the first token of a text looks like any other
    int leading_spaces = 0;         // so many spaces at the start of the text are left out
    bool drops_per_token = false;   // instead: one space of every token until something is written (SentencePiece)
    std::vector<TokenId> verbatim;  // tokens, few, whose spaces are not left out

    // Appends the bytes of `id`; nothing for an id that has none.
    void append(TokenId id, DecodeState& state, std::string& out) const;
};

}  // namespace hone::text
