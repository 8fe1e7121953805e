// Operands of the backward products: columns of fp32 matrices as activations and as panels, and packed weights
// transposed to panels. All of them move squares of dwords (an fp32 value, or a pair of bf16) through registers. Templates
// on the lanes of an ISA, included by that ISA's files only.
#pragma once

#include "math/kernels/cpu/gemm/tile_task.h"
#include "math/kernels/gemm_kernels.h"

namespace hone::math {

constexpr int64_t kColumnsAtOnce = 16;  // a cache line of fp32

// Rows of x that are asked for ahead of their use; they are far apart, so that the processor does not see them coming.
constexpr int64_t kRowsAhead = 32;

// A square of dwords [kCount][kCount]: rows i of x, columns from 0; `columns` of them exist, and `rows` rows. With
// pairs, row i of the square is the pair of rows 2 i and 2 i + 1 as bf16.
template <class Lanes, bool pairs>
[[gnu::always_inline]] inline void load_square(const float* x, int64_t stride, int64_t rows, int32_t columns,
                                               typename Lanes::Dwords (&square)[Lanes::kCount]) {
    const auto row = [&](int64_t i) { return i < rows ? Lanes::load(x + i * stride, columns) : Lanes::zero(); };
#pragma GCC unroll 16
    for (int i = 0; i < Lanes::kCount; i++) {
        if constexpr (pairs)
            square[i] = Lanes::round_pairs(row(2 * i), row(2 * i + 1));
        else
            square[i] = Lanes::as_dwords(row(i));
    }
}

// A line of activations is 16 dwords, each a value, or a pair of them, of k.
template <class Lanes, bool pairs>
[[gnu::always_inline]] inline void tile_columns(ActivationFormat format, const float* x, int64_t stride, int64_t k,
                                                int64_t rows, std::byte* block) {
    constexpr int64_t kSquareK = Lanes::kCount * (pairs ? 2 : 1), kLineK = kColumnsAtOnce * (pairs ? 2 : 1);
    for (int64_t first = 0; first < rows; first += kColumnsAtOnce) {
        const int64_t some = rows - first < kColumnsAtOnce ? rows - first : kColumnsAtOnce;
        RowLines<std::byte> lines[kColumnsAtOnce];
        for (int64_t i = 0; i < some; i++) lines[i] = row_lines(format, k, block, rows, first + i);
        for (int64_t line = 0; line * kLineK < k; line++) {
            const float* from = x + line * kLineK * stride + first;
            for (int64_t i = 0; i < kLineK; i++) __builtin_prefetch(from + (kRowsAhead + i) * stride);
            for (int64_t column = 0; column < some; column += Lanes::kCount) {
                for (int64_t part = 0; part < kLineK; part += kSquareK) {
                    typename Lanes::Dwords square[Lanes::kCount];
                    load_square<Lanes, pairs>(from + part * stride + column, stride, k - line * kLineK - part,
                                              static_cast<int32_t>(some - column), square);
                    Lanes::transpose(square);
#pragma GCC unroll 16
                    for (int64_t i = 0; i < Lanes::kCount; i++) {
                        if (column + i >= some) break;
                        const auto& row = lines[column + i];
                        Lanes::store_dwords(row.first + line * row.stride + part / kSquareK * Lanes::kCount * 4,
                                            square[i]);
                    }
                }
            }
        }
    }
}
template <class Lanes>
void tile_columns_f32(const float* x, int64_t stride, int64_t k, int64_t rows, std::byte* block) {
    tile_columns<Lanes, false>(ActivationFormat::f32, x, stride, k, rows, block);
}
template <class Lanes>
void tile_columns_bf16(const float* x, int64_t stride, int64_t k, int64_t rows, std::byte* block) {
    tile_columns<Lanes, true>(ActivationFormat::bf16, x, stride, k, rows, block);
}

template <class Lanes>
void pack_columns_f32(const float* x, int64_t stride, int64_t k, int64_t columns, std::byte* panel) {
    for (int64_t i = 0; i < k; i++, x += stride) {
        for (int32_t column = 0; column < kF32Panel.columns; column += Lanes::kCount, panel += Lanes::kCount * 4) {
            if (column % kColumnsAtOnce == 0) __builtin_prefetch(x + kRowsAhead * stride + column);
            Lanes::store_dwords(panel,
                                Lanes::as_dwords(Lanes::load(x + column, static_cast<int32_t>(columns) - column)));
        }
    }
}

template <class Lanes>
void pack_columns_bf16(const float* x, int64_t stride, int64_t k, int64_t columns, std::byte* panel) {
    for (int64_t i = 0; i < k; i += 2, x += 2 * stride) {
        for (int32_t column = 0; column < kBf16Panel.columns; column += Lanes::kCount, panel += Lanes::kCount * 4) {
            if (column % kColumnsAtOnce == 0) {
                __builtin_prefetch(x + kRowsAhead * stride + column);
                __builtin_prefetch(x + (kRowsAhead + 1) * stride + column);
            }
            const auto count = static_cast<int32_t>(columns) - column;
            const auto even = Lanes::load(x + column, count);
            const auto odd = i + 1 < k ? Lanes::load(x + stride + column, count) : Lanes::zero();
            Lanes::store_dwords(panel, Lanes::round_pairs(even, odd));
        }
    }
}

// Source gives squares of dwords (step of the weight's panel, column of it): load(column, step, square). A step is two
// values of k in bf16, one in f32.
template <class Lanes, class Source>
[[gnu::always_inline]] inline void transpose_panel(const TransposeTask& task) {
    constexpr PanelLayout kTarget = Source::kTarget;
    constexpr int32_t kSteps = kTarget.columns / kTarget.step_k;
    const int32_t left = (task.k - task.first_k + kTarget.step_k - 1) / kTarget.step_k;
    const int32_t steps = left < kSteps ? left : kSteps;
    for (int32_t i = 0; i < (task.count_n + 15) / 16 * 16; i += Lanes::kCount) {
        const Source source(task, task.first_n + i, steps);
        std::byte* to = task.panel + i / kTarget.step_k * kTarget.step_bytes;
        for (int32_t step = 0; step < steps; step += Lanes::kCount, to += Lanes::kCount * kTarget.step_k * 4) {
            typename Lanes::Dwords square[Lanes::kCount];
            source.load(step, square);
            Lanes::transpose(square);
            if constexpr (kTarget.step_k == 2) {
#pragma GCC unroll 8
                for (int row = 0; row < Lanes::kCount; row += 2) {
                    std::byte* pair = to + row / 2 * kTarget.step_bytes;
                    Lanes::store_dwords(pair, Lanes::interleave_low(square[row], square[row + 1]));
                    Lanes::store_dwords(pair + Lanes::kCount * 4, Lanes::interleave_high(square[row], square[row + 1]));
                }
            } else {
#pragma GCC unroll 16
                for (int row = 0; row < Lanes::kCount; row++)
                    Lanes::store_dwords(to + row * kTarget.step_bytes, square[row]);
            }
        }
    }
}

// Formats whose steps lie in memory as they are wanted.
template <class Lanes, const PanelLayout& layout>
struct PlainSource {
    static constexpr PanelLayout kTarget = layout;

    const std::byte* from;  // the first step, at the first column
    int32_t steps;

    PlainSource(const TransposeTask& task, int32_t n, int32_t steps)
        : from(task.weight + n / layout.columns * layout.panel_bytes(task.k) + layout.panel_bytes(task.first_k) +
               n % layout.columns * 4),
          steps(steps) {}

    // Behind the last step it is repeated: those columns are at or beyond k.
    [[gnu::always_inline]] void load(int32_t step, typename Lanes::Dwords (&square)[Lanes::kCount]) const {
        if (step + Lanes::kCount <= steps) {
#pragma GCC unroll 16
            for (int i = 0; i < Lanes::kCount; i++)
                square[i] = Lanes::load_dwords(from + (step + i) * layout.step_bytes);
        } else {
            for (int i = 0; i < Lanes::kCount; i++) {
                const int32_t at = step + i < steps ? step + i : steps - 1;
                square[i] = Lanes::load_dwords(from + at * layout.step_bytes);
            }
        }
    }
};

template <class Lanes>
void transpose_f32(const TransposeTask& task) {
    transpose_panel<Lanes, PlainSource<Lanes, kF32Panel>>(task);
}
template <class Lanes>
void transpose_bf16(const TransposeTask& task) {
    transpose_panel<Lanes, PlainSource<Lanes, kBf16Panel>>(task);
}

// Codes times scale, an octet of k being four steps. AVX-512 has a way of its own.
template <class Lanes>
struct Int4Source {
    static constexpr PanelLayout kTarget = kBf16Panel;

    const std::byte* from;

    Int4Source(const TransposeTask& task, int32_t n, int32_t)
        : from(task.weight + n / kInt4Panel.columns * kInt4Panel.panel_bytes(task.k) +
               kInt4Panel.panel_bytes(task.first_k) + n % kInt4Panel.columns * 4) {}

    [[gnu::always_inline]] void load(int32_t step, typename Lanes::Dwords (&square)[Lanes::kCount]) const {
        const bool odd_group = step >= kGroup / 2;
        const std::byte* octets = from + (odd_group ? kInt4OddGroupOffset : 0) + step % (kGroup / 2) / 4 * 128;
        const auto scale = odd_group ? Lanes::template scales<1>(from + kInt4ScaleOffset)
                                     : Lanes::template scales<0>(from + kInt4ScaleOffset);
#pragma GCC unroll 4
        for (int i = 0; i < Lanes::kCount; i += 4, octets += 128) {
            const auto codes = Lanes::load_octets(octets);
            square[i] = Lanes::template scaled_codes<0>(codes, scale);
            square[i + 1] = Lanes::template scaled_codes<1>(codes, scale);
            square[i + 2] = Lanes::template scaled_codes<2>(codes, scale);
            square[i + 3] = Lanes::template scaled_codes<3>(codes, scale);
        }
    }
};

template <class Lanes>
void transpose_int4g32(const TransposeTask& task) {
    transpose_panel<Lanes, Int4Source<Lanes>>(task);
}

}  // namespace hone::math
