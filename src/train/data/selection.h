// Which records of an index are used, and the evaluation split: records that training never sees. Immutable; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace hone::train {

// Some of the records [0, all), ascending: those of a list, or all the others. Memory is that of the list.
class Selection {
  public:
    // All of them.
    explicit Selection(uint64_t all) : all_(all) {}
    // `list` is ascending and below `all`.
    static Selection only(uint64_t all, std::vector<uint64_t> list);
    static Selection all_but(uint64_t all, std::vector<uint64_t> list);

    uint64_t size() const { return leaves_out_ ? all_ - list_.size() : list_.size(); }
    // The i-th record of the selection, i < size().
    uint64_t operator[](uint64_t i) const;

  private:
    uint64_t all_;
    std::vector<uint64_t> list_;
    bool leaves_out_ = true;
};

struct Split {
    Selection training, evaluation;
};

// Keeps back `count` of `records`: those whose numbers have the smallest random values under the seed. So the same
// records come with the same files, and of files that grew mostly the same. None left to train on is an error.
Result<Split> split_off(uint64_t records, uint64_t count, uint64_t seed);
// Keeps back a fraction in [0, 1), at least one record if it is not 0.
Result<Split> split_off_fraction(uint64_t records, double fraction, uint64_t seed);

}  // namespace hone::train
