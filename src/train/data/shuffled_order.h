// A pseudo-random order of [0, n) that can be entered anywhere: no table, a few rounds of a keyed function for each
// question. Another order every epoch, the same on every machine. Plain value, any thread.
//
// A Feistel network over Philox (Luby and Rackoff 1988) permutes the smallest power of four that holds n; results
// outside of [0, n) are permuted again until one is inside (cycle walking, Black and Rogaway 2002), at most four times
// on average once n is 16 or more.
#pragma once

#include <cstdint>

namespace hone::train {

class ShuffledOrder {
  public:
    // n > 0. Not shuffled: the order of the files.
    ShuffledOrder(uint64_t n, uint64_t seed, bool shuffled = true);

    // What stands at a place of the endless order: places [epoch n, epoch n + n) are a permutation of [0, n).
    uint64_t at(uint64_t position) const;
    uint64_t epoch(uint64_t position) const { return position / n_; }

  private:
    uint64_t permute(uint64_t x, uint64_t epoch) const;

    uint64_t n_, seed_;
    bool shuffled_;
    int half_bits_;
};

}  // namespace hone::train
