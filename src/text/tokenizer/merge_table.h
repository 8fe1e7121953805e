// Which two neighbouring tokens merge into which, and how soon. An open-addressing table of 16-byte entries, at most
// half full, so that a lookup is one cache line. Filled by a loader, then immutable; any thread may read.
#pragma once

#include <cstdint>
#include <vector>

#include "text/tokenizer/vocabulary.h"

namespace hone::text {

class MergeTable {
  public:
    // The lower rank merges first. `key` is (rank, merged) in one number, so that keys compare by rank.
    static constexpr uint64_t kNone = UINT64_MAX;
    static uint32_t rank_of(uint64_t key) { return static_cast<uint32_t>(key >> 32); }
    static TokenId merged_of(uint64_t key) { return static_cast<TokenId>(key & UINT32_MAX); }

    // Makes room for `count` merges at once.
    void reserve(size_t count);

    // A pair that is there already gets the new rank and result.
    void add(TokenId left, TokenId right, uint32_t rank, TokenId merged);

    uint64_t find(TokenId left, TokenId right) const {
        if (entries_.empty()) return kNone;
        const uint64_t pair = pair_of(left, right);
        for (size_t slot = slot_of(pair);; slot = (slot + 1) & (entries_.size() - 1)) {
            if (entries_[slot].pair == pair) return entries_[slot].key;
            if (entries_[slot].key == kNone) return kNone;
        }
    }

    size_t size() const { return count_; }

    // Every (left, right) in the table.
    template <class Visit>
    void for_each_pair(Visit&& visit) const {
        for (const Entry& entry : entries_) {
            if (entry.key == kNone) continue;
            visit(static_cast<TokenId>(entry.pair >> 32), static_cast<TokenId>(entry.pair & UINT32_MAX));
        }
    }

  private:
    struct Entry {
        uint64_t pair = 0, key = kNone;
    };

    static uint64_t pair_of(TokenId left, TokenId right) {
        return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
    }
    size_t slot_of(uint64_t pair) const {
        return static_cast<size_t>((pair ^ pair >> 29) * 0x9E3779B97F4A7C15 >> shift_);
    }
    void rehash(size_t slots);
    void insert(uint64_t pair, uint64_t key);

    std::vector<Entry> entries_;
    int shift_ = 64;
    size_t count_ = 0;
};

// Longer tokens are refused where merges are found by concatenation, whose cost grows with the square of the length.
inline constexpr size_t kLongestMergedToken = 1024;

// All merges that build the tokens of `tokens` from two shorter ones: the rule of tiktoken and SentencePiece, where a
// pair may merge whenever its concatenation is a token. `rank[id]` orders them; tokens whose rank is UINT32_MAX take no
// part.
MergeTable merges_by_concatenation(const Vocabulary& tokens, const std::vector<uint32_t>& rank);

}  // namespace hone::text
