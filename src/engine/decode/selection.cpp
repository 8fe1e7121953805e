#include "engine/decode/selection.h"

#include <algorithm>
#include <array>
#include <bit>

namespace hone::engine {

constexpr size_t kSlack = 256;  // candidates gathered beyond twice the count before the threshold is raised

// Ascending keys are descending values, then ascending indices. The addition makes -0 equal to 0.
static uint64_t key_of(float value, size_t index) {
    const uint32_t bits = std::bit_cast<uint32_t>(value + 0.0f);
    const uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000;
    return uint64_t{~ascending} << 32 | static_cast<uint32_t>(index);
}

std::span<const int32_t> TopSelection::select(std::span<const float> values, size_t count) {
    count = std::min(count, values.size());
    keys_.clear();
    indices_.clear();
    if (count == 0) return indices_;
    const auto keep_best = [&] {
        std::nth_element(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(count - 1), keys_.end());
        keys_.resize(count);
    };
    const size_t capacity = 2 * count + kSlack;
    bool full = false;    // `count` candidates are at least as large as the threshold
    float threshold = 0;  // an equal value has a larger index than they, so it loses
    for (size_t i = 0; i < values.size(); i++) {
        if (full && !(values[i] > threshold)) continue;
        keys_.push_back(key_of(values[i], i));
        if (keys_.size() < capacity) continue;
        keep_best();
        threshold = values[static_cast<uint32_t>(keys_.back())];
        full = true;
    }
    if (keys_.size() > count) keep_best();
    std::ranges::sort(keys_);
    for (const uint64_t key : keys_) indices_.push_back(static_cast<int32_t>(static_cast<uint32_t>(key)));
    return indices_;
}

int32_t index_of_largest(std::span<const float> values) {
    if (values.empty()) return -1;
    constexpr size_t kLanes = 8;  // independent chains: one would wait for every comparison
    std::array<float, kLanes> largest;
    largest.fill(values[0]);
    size_t i = 0;
    for (; i + kLanes <= values.size(); i += kLanes) {
        for (size_t lane = 0; lane < kLanes; lane++) {
            largest[lane] = values[i + lane] > largest[lane] ? values[i + lane] : largest[lane];
        }
    }
    float most = *std::ranges::max_element(largest);
    for (; i < values.size(); i++) most = values[i] > most ? values[i] : most;
    return static_cast<int32_t>(std::ranges::find(values, most) - values.begin());
}

}  // namespace hone::engine
