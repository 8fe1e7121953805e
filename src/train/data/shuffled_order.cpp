#include "train/data/shuffled_order.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/rng.h"

namespace hone::train {

constexpr uint32_t kRounds = 6;
constexpr int kFewestHalfBits = 2;  // halves of one bit have too few functions to be mixed by

ShuffledOrder::ShuffledOrder(uint64_t n, uint64_t seed, bool shuffled)
    : n_(n),
      seed_(seed),
      shuffled_(shuffled),
      half_bits_(std::max(kFewestHalfBits, (static_cast<int>(std::bit_width(n - 1)) + 1) / 2)) {
    CHECK(n > 0 && n <= uint64_t{1} << 62);
}

uint64_t ShuffledOrder::permute(uint64_t x, uint64_t epoch) const {
    const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
    uint64_t left = x >> half_bits_, right = x & mask;
    for (uint32_t round = 0; round < kRounds; ++round) {
        const auto block = philox4x32(
            {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)},
            {static_cast<uint32_t>(right), round, static_cast<uint32_t>(epoch), static_cast<uint32_t>(epoch >> 32)});
        const uint64_t mixed = left ^ (block[0] & mask);
        left = right;
        right = mixed;
    }
    return left << half_bits_ | right;
}

uint64_t ShuffledOrder::at(uint64_t position) const {
    uint64_t place = position % n_;
    if (!shuffled_) return place;
    do place = permute(place, epoch(position));
    while (place >= n_);
    return place;
}

}  // namespace hone::train
