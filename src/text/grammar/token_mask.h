// A set of tokens: which may come next. A value type; one thread writes, then any may read.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenizer/vocabulary.h"

namespace hone::text {

class TokenMask {
  public:
    explicit TokenMask(int32_t vocabulary) : words_((static_cast<size_t>(vocabulary) + 63) / 64) {}

    void set(TokenId id) { words_[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64); }
    bool test(TokenId id) const { return words_[static_cast<size_t>(id) / 64] >> (id % 64) & 1; }
    void add(const TokenMask& other) {
        for (size_t i = 0; i < words_.size(); i++) words_[i] |= other.words_[i];
    }
    int32_t count() const {
        int32_t count = 0;
        for (const uint64_t word : words_) count += std::popcount(word);
        return count;
    }
    std::vector<TokenId> tokens() const {
        std::vector<TokenId> tokens;
        for (size_t i = 0; i < words_.size(); i++) {
            for (uint64_t rest = words_[i]; rest != 0; rest &= rest - 1) {
                tokens.push_back(static_cast<TokenId>(i * 64) + std::countr_zero(rest));
            }
        }
        return tokens;
    }

    // Token i is bit i % 64 of word i / 64; bits beyond the vocabulary are 0.
    std::span<const uint64_t> words() const { return words_; }
    bool operator==(const TokenMask&) const = default;

  private:
    std::vector<uint64_t> words_;
};

}  // namespace hone::text
