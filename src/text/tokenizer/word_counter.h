// Counts the words of texts: what a tokenizer's pattern cuts them into, between the added tokens, which are no words.
// Memory is that of the distinct words. One thread each; counts of several are joined.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/hash_bytes.h"
#include "text/tokenizer/pattern.h"

namespace hone::text {

struct WordCount {
    std::string word;  // bytes, not empty
    uint64_t count = 0;
};

class WordCounter {
  public:
    // `pattern` and `added` are those that the tokenizer will cut by; both outlive the counter.
    WordCounter(const Pattern& pattern, const AddedTokens& added) : pattern_(pattern), added_(added) {}

    // Invalid UTF-8 becomes U+FFFD, as for a tokenizer.
    void add(std::string_view utf8);
    // Takes the counts of another, which has none afterwards.
    void join(WordCounter& other);

    uint64_t words() const { return words_; }
    size_t distinct_words() const { return counts_.size(); }
    // By their bytes, so in an order that does not depend on who counted what. Empties the counter.
    std::vector<WordCount> take();

  private:
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view word) const { return hash_bytes(word); }
    };

    void count(std::string_view word, uint64_t times);

    const Pattern& pattern_;
    const AddedTokens& added_;
    std::unordered_map<std::string, uint64_t, Hash, std::equal_to<>> counts_;
    uint64_t words_ = 0;
};

}  // namespace hone::text
