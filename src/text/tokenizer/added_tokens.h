// Added tokens: strings that are one token wherever they occur, found before the text is cut (in the input, or after
// normalisation for those that ask for it). Leftmost, then longest. Immutable after construction, any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/trie.h"
#include "text/tokenizer/vocabulary.h"

namespace hone::text {

struct AddedToken {
    TokenId id = 0;
    std::string content;
    bool special = false;     // dropped by skip_special_tokens; ordinary text if special tokens are not parsed
    bool normalized = false;  // its normalised form is looked for in the normalised text
    bool lstrip = false;      // takes the white space on its left (right) with it
    bool rstrip = false;
    bool single_word = false;  // not inside a word
};

class AddedTokens {
  public:
    enum class Stage { kInput, kNormalized };

    struct Part {
        size_t begin = 0, end = 0;
        std::optional<TokenId> id;  // absent: ordinary text
    };

    AddedTokens() = default;
    // `normalizer` may be null; it is used here only.
    AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer);

    // Hands the parts of `text` to `visit` from left to right.
    void split(std::string_view text, Stage stage, bool parse_special,
               const std::function<void(const Part&)>& visit) const;

    bool any(Stage stage) const { return !trie(stage).empty(); }
    const std::vector<AddedToken>& tokens() const { return tokens_; }

    // The form of a token that decoding shows: normalised if it is looked for in that form.
    const std::string& shown(size_t index) const { return shown_[index]; }

  private:
    const Trie& trie(Stage stage) const { return stage == Stage::kInput ? input_ : normalized_; }

    std::vector<AddedToken> tokens_;
    std::vector<std::string> shown_;
    Trie input_, normalized_;  // value: index of the token
};

}  // namespace hone::text
