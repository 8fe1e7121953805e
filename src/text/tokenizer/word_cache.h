// The ids of words seen before: most words of a text are repetitions, and a lookup costs a tenth of encoding. Two-way
// associative with one cache line per word, so its size is fixed (4 MiB) and the older of two words that meet gives
// way. Only short words with few ids are kept. One thread at a time.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer/model.h"

namespace hone::text {

class WordCache {
  public:
    static constexpr size_t kLongestWord = 24, kMostIds = 9;

    // A word of 1 to kLongestWord bytes as three numbers, which together with the length tell it from all others: its
    // bytes are read in pieces that overlap where the length is no multiple of the piece.
    struct Key {
        uint64_t first = 0, middle = 0, last = 0;
        uint8_t length = 0;

        Key() = default;
        explicit Key(std::string_view word) : length(static_cast<uint8_t>(word.size())) {
            const char* p = word.data();
            const size_t size = word.size();
            if (size >= 8) {
                first = read<uint64_t>(p);
                if (size > 16) middle = read<uint64_t>(p + 8);
                last = read<uint64_t>(p + size - 8);
            } else if (size >= 4) {
                first = read<uint32_t>(p);
                last = read<uint32_t>(p + size - 4);
            } else {
                first = static_cast<unsigned char>(p[0]);
                middle = static_cast<unsigned char>(p[size / 2]);
                last = static_cast<unsigned char>(p[size - 1]);
            }
        }

        // The word again; `buffer` has room for kLongestWord bytes.
        std::string_view word(char* buffer) const {
            if (length >= 8) {
                std::memcpy(buffer, &first, 8);
                if (length > 16) std::memcpy(buffer + 8, &middle, 8);
                std::memcpy(buffer + length - 8, &last, 8);
            } else if (length >= 4) {
                std::memcpy(buffer, &first, 4);
                std::memcpy(buffer + length - 4, &last, 4);
            } else {
                buffer[0] = static_cast<char>(first);
                buffer[length / 2] = static_cast<char>(middle);
                buffer[length - 1] = static_cast<char>(last);
            }
            return {buffer, length};
        }

        size_t slot() const {
            constexpr uint64_t kOdd = 0x9E3779B97F4A7C15, kOther = 0xD6E8FEB86659FD93;
            const auto product = static_cast<unsigned __int128>(first ^ (middle * kOther) ^ length) * kOdd +
                                 static_cast<unsigned __int128>(last) * kOther;
            return static_cast<size_t>((static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64)) * kOdd >>
                                       kShift);
        }

      private:
        template <class Number>
        static uint64_t read(const char* p) {
            Number number;
            std::memcpy(&number, p, sizeof(number));
            return number;
        }
    };

    // Brings the memory of a word near, for a find() a little later.
    void prefetch(const Key& key) const { __builtin_prefetch(&entries_[key.slot() & ~size_t{1}]); }

    // The ids of a word, or an empty span; valid until the next put().
    std::span<const TokenId> find(const Key& key) const {
        const size_t slot = key.slot();
        for (const size_t way : {slot, slot ^ 1}) {
            const Entry& entry = entries_[way];
            const uint64_t difference =
                (entry.first ^ key.first) | (entry.middle ^ key.middle) | (entry.last ^ key.last);
            if (difference == 0 && entry.length == key.length) return {entry.ids, entry.count};
        }
        return {};
    }

    void put(const Key& key, std::span<const Token> tokens) {
        if (tokens.empty() || tokens.size() > kMostIds) return;
        const size_t slot = key.slot();
        Entry& entry = entries_[slot];
        if (entry.length != 0) entries_[slot ^ 1] = entry;
        entry = {.first = key.first, .middle = key.middle, .last = key.last};
        entry.length = key.length;
        entry.count = static_cast<uint8_t>(tokens.size());
        for (size_t i = 0; i < tokens.size(); ++i) entry.ids[i] = tokens[i].id;
    }

  private:
    static constexpr int kShift = 64 - 16;

    struct alignas(64) Entry {
        uint64_t first = 0, middle = 0, last = 0;
        TokenId ids[kMostIds] = {};
        uint8_t length = 0, count = 0;  // length 0: empty
    };
    static_assert(sizeof(Entry) == 64);

    std::vector<Entry> entries_ = std::vector<Entry>(size_t{1} << 16);
};

}  // namespace hone::text
