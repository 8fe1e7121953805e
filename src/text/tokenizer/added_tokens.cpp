#include "text/tokenizer/added_tokens.h"

#include <algorithm>

#include "text/tokenizer/character_classes.h"

namespace hone::text {

namespace {

bool inside_word(std::string_view text, size_t begin, size_t end) {
    return (begin > 0 && is_word_character(character_before(text, begin).code)) ||
           (end < text.size() && is_word_character(character_at(text, end).code));
}

size_t before_spaces(std::string_view text, size_t end) {
    while (end > 0) {
        const Character c = character_before(text, end);
        if (!is_white_space(c.code)) break;
        end -= c.length;
    }
    return end;
}

size_t after_spaces(std::string_view text, size_t begin) {
    while (begin < text.size()) {
        const Character c = character_at(text, begin);
        if (!is_white_space(c.code)) break;
        begin += c.length;
    }
    return begin;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer) : tokens_(std::move(tokens)) {
    std::vector<std::pair<std::string, int32_t>> input, normalized;
    for (size_t i = 0; i < tokens_.size(); ++i) {
        AlignedText text(Piece{tokens_[i].content});
        if (tokens_[i].normalized && normalizer) normalizer->apply(text);
        shown_.emplace_back(text.text());
        (tokens_[i].normalized ? normalized : input).emplace_back(shown_.back(), static_cast<int32_t>(i));
    }
    input_ = Trie(std::move(input));
    normalized_ = Trie(std::move(normalized));
}

void AddedTokens::split(std::string_view text, Stage stage, bool parse_special,
                        const std::function<void(const Part&)>& visit) const {
    const Trie& trie = this->trie(stage);
    size_t done = 0;
    for (size_t i = 0; !trie.empty() && i < text.size();) {
        if (!trie.may_start(static_cast<unsigned char>(text[i]))) {
            ++i;
            continue;
        }
        const auto found = trie.longest_prefix(text.substr(i));
        if (!found) {
            ++i;
            continue;
        }
        const AddedToken& token = tokens_[static_cast<size_t>(found->value)];
        size_t begin = i, end = i + found->length;
        i = end;  // the search goes on behind the token even where it does not count
        if (token.special && !parse_special) continue;
        if (token.single_word && inside_word(text, begin, end)) continue;
        if (token.lstrip) begin = std::max(before_spaces(text, begin), done);
        if (token.rstrip) end = after_spaces(text, end);
        if (begin >= end) continue;  // the token before has taken this white space
        if (done < begin) visit({done, begin, std::nullopt});
        visit({begin, end, token.id});
        done = end;
    }
    if (done < text.size()) visit({done, text.size(), std::nullopt});
}

}  // namespace hone::text
