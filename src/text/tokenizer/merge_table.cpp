#include "text/tokenizer/merge_table.h"

#include <bit>

namespace hone::text {

void MergeTable::reserve(size_t count) {
    const size_t slots = std::bit_ceil(std::max<size_t>(count * 2, 16));
    if (slots > entries_.size()) rehash(slots);
}

void MergeTable::rehash(size_t slots) {
    std::vector<Entry> old(slots);
    old.swap(entries_);
    shift_ = 64 - std::countr_zero(slots);
    count_ = 0;
    for (const Entry& entry : old) {
        if (entry.key != kNone) insert(entry.pair, entry.key);
    }
}

void MergeTable::insert(uint64_t pair, uint64_t key) {
    size_t slot = slot_of(pair);
    while (entries_[slot].key != kNone && entries_[slot].pair != pair) slot = (slot + 1) & (entries_.size() - 1);
    count_ += entries_[slot].key == kNone;
    entries_[slot] = {pair, key};
}

void MergeTable::add(TokenId left, TokenId right, uint32_t rank, TokenId merged) {
    reserve(count_ + 1);
    insert(pair_of(left, right), uint64_t{rank} << 32 | static_cast<uint32_t>(merged));
}

MergeTable merges_by_concatenation(const Vocabulary& tokens, const std::vector<uint32_t>& rank) {
    MergeTable table;
    table.reserve(tokens.count() * 2);
    const auto takes_part = [&](TokenId id) { return rank[static_cast<size_t>(id)] != UINT32_MAX; };
    for (TokenId id = 0; id < tokens.size(); ++id) {
        if (!tokens.contains(id) || !takes_part(id)) continue;
        const std::string_view token = tokens[id];
        for (size_t cut = 1; cut < token.size(); ++cut) {
            const auto left = tokens.find(token.substr(0, cut));
            if (!left || !takes_part(*left)) continue;
            const auto right = tokens.find(token.substr(cut));
            if (right && takes_part(*right)) table.add(*left, *right, rank[static_cast<size_t>(id)], id);
        }
    }
    return table;
}

}  // namespace hone::text
