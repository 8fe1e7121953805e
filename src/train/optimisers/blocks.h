// How optimisers cut many tensors into blocks of work: at most kBlock elements of one tensor each, at the same places
// for any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace hone::train {

struct Block {
    size_t tensor;
    size_t first, count;  // elements
};

// The blocks of tensors of these sizes, ascending.
inline std::vector<Block> blocks_of(std::span<const size_t> sizes) {
    constexpr size_t kBlock = 16 * 1024;
    std::vector<Block> blocks;
    for (size_t tensor = 0; tensor < sizes.size(); tensor++) {
        for (size_t first = 0; first < sizes[tensor]; first += kBlock) {
            blocks.push_back({tensor, first, std::min(kBlock, sizes[tensor] - first)});
        }
    }
    return blocks;
}

}  // namespace hone::train
