// bf16 activations times bf16 weights, f32seq: one chain over ascending pairs of k, in each the odd element first.
#pragma once

#include "math/kernels/cpu/gemm/tile_task.h"

namespace hone::math {

// rows times vectors of columns, one pair of k: x is the pair of row 0, w the pairs of the first columns.
template <class Lanes, int rows, int vectors>
[[gnu::always_inline]] inline void add_pairs(const std::byte* x, const typename Lanes::Pairs (&w)[vectors],
                                             typename Lanes::Floats (&sum)[rows][vectors]) {
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++) {
        const auto pair = Lanes::broadcast_pair(x + row * 64);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[row][v] = Lanes::add_pairs(sum[row][v], pair, w[v]);
    }
}

template <class Lanes>
struct GemmBf16Bf16 {
    static constexpr ActivationFormat kActivations = ActivationFormat::bf16;
    static constexpr PanelLayout kPanel = kBf16Panel;
    static constexpr int32_t kPrefetchK = 32;  // a line of activations
    static constexpr int32_t kBlockK =
        2048;  // 256 KiB of weights stay in L2 while the row tiles pass; L1-sized blocks lose 10 %
    static constexpr int vectors(int rows) { return Lanes::bf16_vectors(rows); }

    template <int rows>
    static void tile(const TileTask& task) {
        Accumulators<Lanes, rows, vectors(rows)> acc;
        acc.start(task);
        const std::byte *x = task.x, *w = task.w, *ahead = task.ahead;
        int32_t k = 0;
        for (; k + kPrefetchK <= task.k; k += kPrefetchK, x += rows * 64, w += kPrefetchK / 2 * kPanel.step_bytes) {
            ahead = prefetch(task, ahead);
            add_line(x, w, kPrefetchK / 2, acc);
        }
        if (k < task.k) add_line(x, w, (task.k - k + 1) / 2, acc);
        acc.finish(task);
    }

  private:
    template <int rows, int vectors>
    [[gnu::always_inline]] static void add_line(const std::byte* x, const std::byte* w, int32_t pairs,
                                                Accumulators<Lanes, rows, vectors>& acc) {
        if constexpr (Lanes::kWidensPairs) {
            // Once for all columns, and in memory: registers are all taken.
            alignas(64) float widened[rows][kPrefetchK];
#pragma GCC unroll 8
            for (int row = 0; row < rows; row++) Lanes::widen(x + row * 64, widened[row]);
#pragma GCC unroll 4
            for (int32_t pair = 0; pair < pairs; pair++, w += kPanel.step_bytes) {
                add_half<1>(widened[0] + 2 * pair, w, acc);
                asm volatile("" : "+r"(w));  // mixed by the compiler, both halves at once would need more registers
                add_half<0>(widened[0] + 2 * pair, w, acc);
            }
        } else {
#pragma GCC unroll 4
            for (int32_t pair = 0; pair < pairs; pair++, w += kPanel.step_bytes) add(x + pair * 4, w, acc);
        }
    }

    template <int rows, int vectors>
    [[gnu::always_inline]] static void add(const std::byte* x, const std::byte* w,
                                           Accumulators<Lanes, rows, vectors>& acc) {
        typename Lanes::Pairs weights[vectors];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) weights[v] = Lanes::load_pairs(w + v * Lanes::kCount * 4);
        add_pairs<Lanes>(x, weights, acc.sum);
    }

    // The even (0) or the odd (1) elements of a pair, x being widened.
    template <int half, int rows, int vectors>
    [[gnu::always_inline]] static void add_half(const float* x, const std::byte* w,
                                                Accumulators<Lanes, rows, vectors>& acc) {
        typename Lanes::Floats weights[vectors];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) weights[v] = Lanes::template half_of_pairs<half>(w + v * Lanes::kCount * 4);
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
            const auto value = Lanes::broadcast_float(reinterpret_cast<const std::byte*>(x + row * kPrefetchK + half));
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) acc.sum[row][v] = Lanes::fma(value, weights[v], acc.sum[row][v]);
        }
    }
};

}  // namespace hone::math
