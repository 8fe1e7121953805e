// fp32 activations times fp32 weights: acc = fma(x_k, w_k, acc), k ascending.
#pragma once

#include "math/kernels/cpu/gemm/tile_task.h"

namespace hone::math {

template <class Lanes>
struct GemmF32F32 {
    static constexpr ActivationFormat kActivations = ActivationFormat::f32;
    static constexpr PanelLayout kPanel = kF32Panel;
    static constexpr int32_t kPrefetchK = 16;  // values of k in a prefetch step: a line of activations
    static constexpr int32_t kBlockK = 2048;   // 256 KiB of weights stay in L2 while the row tiles pass
    static constexpr int vectors(int) { return 2; }

    template <int rows>
    static void tile(const TileTask& task) {
        Accumulators<Lanes, rows, vectors(rows)> acc;
        acc.start(task);
        const std::byte *x = task.x, *w = task.w, *ahead = task.ahead;
        for (int32_t k = 0; k < task.k; k += 16, x += rows * 64) {
            ahead = prefetch(task, ahead);
            const int32_t count = task.k - k < 16 ? task.k - k : 16;
#pragma GCC unroll 4
            for (int32_t i = 0; i < count; i++, w += kPanel.step_bytes) add(x + i * 4, w, acc);
        }
        acc.finish(task);
    }

  private:
    template <int rows, int vectors>
    [[gnu::always_inline]] static void add(const std::byte* x, const std::byte* w,
                                           Accumulators<Lanes, rows, vectors>& acc) {
        typename Lanes::Floats weights[vectors];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) weights[v] = Lanes::load_floats(w + v * Lanes::kCount * 4);
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
            const auto value = Lanes::broadcast_float(x + row * 64);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) acc.sum[row][v] = Lanes::fma(value, weights[v], acc.sum[row][v]);
        }
    }
};

}  // namespace hone::math
