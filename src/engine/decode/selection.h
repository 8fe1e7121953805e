// The largest of many values in a defined order: value descending, ties by index. Partial: one pass over the values
// with a rising threshold, then a sort of what is wanted. One thread; keeps its scratch, so a steady state allocates
// nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hone::engine {

class TopSelection {
  public:
    // Indices of the `count` largest values (all, if there are fewer), largest first; valid until the next call. No
    // NaN.
    std::span<const int32_t> select(std::span<const float> values, size_t count);

  private:
    std::vector<uint64_t> keys_;
    std::vector<int32_t> indices_;
};

// Index of the largest value, the lowest such index; -1 of none. No NaN.
int32_t index_of_largest(std::span<const float> values);

}  // namespace hone::engine
