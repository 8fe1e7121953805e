#include "train/data/selection.h"

#include <algorithm>
#include <cmath>
#include <queue>

#include "base/check.h"
#include "base/rng.h"

namespace hone::train {

constexpr uint64_t kSplitStream = 0x5eed5b11;  // of random numbers; nobody else draws from it

Selection Selection::only(uint64_t all, std::vector<uint64_t> list) {
    Selection selection = all_but(all, std::move(list));
    selection.leaves_out_ = false;
    return selection;
}

Selection Selection::all_but(uint64_t all, std::vector<uint64_t> list) {
    CHECK(std::is_sorted(list.begin(), list.end()) && (list.empty() || list.back() < all));
    Selection selection(all);
    selection.list_ = std::move(list);
    return selection;
}

uint64_t Selection::operator[](uint64_t i) const {
    CHECK(i < size());
    if (!leaves_out_) return list_[i];
    // list_[j] - j records of the selection come before list_[j].
    uint64_t low = 0, high = list_.size();
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (list_[middle] - middle <= i)
            low = middle + 1;
        else
            high = middle;
    }
    return i + low;
}

Result<Split> split_off(uint64_t records, uint64_t count, uint64_t seed) {
    if (count >= records)
        return error("{} of {} records are to be kept for evaluation, which leaves none to train on", count, records);
    std::priority_queue<std::pair<double, uint64_t>> smallest;
    for (uint64_t record = 0; record < records && count > 0; ++record) {
        const std::pair<double, uint64_t> drawn(uniform_at(seed, kSplitStream, record), record);
        if (smallest.size() == count && !(drawn < smallest.top())) continue;
        if (smallest.size() == count) smallest.pop();
        smallest.push(drawn);
    }
    std::vector<uint64_t> kept;
    for (; !smallest.empty(); smallest.pop()) kept.push_back(smallest.top().second);
    std::sort(kept.begin(), kept.end());
    return Split{Selection::all_but(records, kept), Selection::only(records, kept)};
}

Result<Split> split_off_fraction(uint64_t records, double fraction, uint64_t seed) {
    CHECK(fraction >= 0 && fraction < 1);
    const double count = std::ceil(fraction * static_cast<double>(records));
    return split_off(records, static_cast<uint64_t>(count), seed);
}

}  // namespace hone::train
