// The strings of a vocabulary and their ids, both ways. Filled by a loader, then immutable; any thread may read.
// Strings lie in one block, the way from a string to its id is an open-addressing table of ids: 150,000 tokens take
// about 3 MB.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hone::text {

using TokenId = int32_t;

// Ids from a file lie below this, so that tables by id stay small.
inline constexpr int64_t kMaxVocabulary = int64_t{1} << 22;

class Vocabulary {
  public:
    // Fails for an id outside [0, kMaxVocabulary) and for an id that has another string already. If a string has
    // several ids, find() gives the first.
    Status add(int64_t id, std::string_view token);

    // As add(), but the string takes the place of another that the id may have had.
    Status replace(int64_t id, std::string_view token);

    // The string of an id; empty if the id is unknown (contains() tells).
    std::string_view operator[](TokenId id) const { return contains(id) ? view(id) : std::string_view(); }
    bool contains(TokenId id) const { return id >= 0 && id < size() && entries_[id].present; }
    std::optional<TokenId> find(std::string_view token) const;

    TokenId size() const { return static_cast<TokenId>(entries_.size()); }  // highest id + 1
    size_t count() const { return count_; }

  private:
    struct Entry {
        uint32_t begin = 0, length = 0;
        bool present = false;
    };

    std::string_view view(TokenId id) const { return {bytes_.data() + entries_[id].begin, entries_[id].length}; }
    void grow();

    std::string bytes_;
    std::vector<Entry> entries_;
    std::vector<TokenId> slots_;  // -1 is empty; a power of two of them, at most half full
    size_t count_ = 0, used_slots_ = 0;
};

}  // namespace hone::text
