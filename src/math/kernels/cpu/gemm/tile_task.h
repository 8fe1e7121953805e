// What the loop nests of cpu/gemm share: the task of one row tile on one panel, its accumulators, prefetching.
// Templates on the lanes of an ISA (avx2/gemm_lanes.h, avx512/gemm_lanes.h), included by that ISA's files only. Every
// lane is the sequential chain of one output; tiles differ in rows and columns only, so their shape never changes a
// bit. The lanes' name is part of every symbol that an instantiation leaves (gemm, run_tile, a nest's tile), so that the
// linker never takes code compiled for one ISA for that of another; what has no lanes in its name is always inlined.
#pragma once

#include <cstddef>
#include <cstdint>

#include "math/quant/packed_layout.h"

namespace hone::math {

// Rows of one tile times some columns of one panel, along k of one block.
struct TileTask {
    const std::byte* x;  // first line of the block
    const std::byte* w;  // first step of the block, at the first column
    float* y;
    int64_t y_stride;
    int32_t k;                           // values in the block
    int32_t columns;                     // that are within n; lanes beyond them are not stored
    bool continues;                      // the chains go on from y, not from 0
    const std::byte *ahead, *ahead_end;  // weights to prefetch meanwhile
    int32_t ahead_lines;                 // cache lines of them for each prefetch step of the nest
    bool ahead_is_near;                  // wanted in L1 by this tile itself, or in L2 by a later one
};

// One chain a lane: rows times vectors of columns, kept in registers.
template <class Lanes, int rows, int vectors>
struct Accumulators {
    typename Lanes::Floats sum[rows][vectors];

    [[gnu::always_inline]] void start(const TileTask& task) {
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) {
                const float* y = task.y + row * task.y_stride + v * Lanes::kCount;
                sum[row][v] = task.continues ? Lanes::load(y, task.columns - v * Lanes::kCount) : Lanes::zero();
            }
        }
    }

    [[gnu::always_inline]] void finish(const TileTask& task) const {
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) {
                float* y = task.y + row * task.y_stride + v * Lanes::kCount;
                Lanes::store(y, sum[row][v], task.columns - v * Lanes::kCount);
            }
        }
    }
};

// One step's share of what the task is to fetch meanwhile; returns where the next step goes on.
[[gnu::always_inline]] inline const std::byte* prefetch(const TileTask& task, const std::byte* ahead) {
    const std::byte* const end =
        ahead + task.ahead_lines * 64 < task.ahead_end ? ahead + task.ahead_lines * 64 : task.ahead_end;
    if (task.ahead_is_near) {
        for (; ahead < end; ahead += 64) __builtin_prefetch(ahead, 0, 3);
    } else {
        for (; ahead < end; ahead += 64) __builtin_prefetch(ahead, 0, 2);
    }
    return ahead;
}

}  // namespace hone::math
