// The row kernels of the matrix products that need nothing of an ISA but its lanes.
#pragma once

#include "math/kernels/cpu/gemm/tile_task.h"
#include "math/kernels/cpu/prefetch_input.h"

namespace hone::math {

template <class Lanes>
void prepare_f32(const float* x, int64_t k, std::byte* lines, int64_t line_stride) {
    for (; k > 0; k -= 16, x += 16, lines += line_stride) {
        prefetch_input(x);
        for (int32_t i = 0; i < 16; i += Lanes::kCount) {
            const auto values = Lanes::load(x + i, k - i < 16 ? static_cast<int32_t>(k - i) : 16);
            Lanes::store(reinterpret_cast<float*>(lines) + i, values, Lanes::kCount);
        }
    }
}

template <class Lanes>
void weighted_sum(const float* rows, int64_t stride, const int32_t* positions, const float* weights, int64_t count,
                  float* y, int64_t n) {
    for (int64_t column = 0; column < n; column += Lanes::kCount) {
        const int32_t lanes = n - column < Lanes::kCount ? static_cast<int32_t>(n - column) : Lanes::kCount;
        auto sum = Lanes::zero();
        for (int64_t i = 0; i < count; i++) {
            const auto weight = Lanes::broadcast_float(reinterpret_cast<const std::byte*>(weights + i));
            sum = Lanes::fma(weight, Lanes::load(rows + positions[i] * stride + column, lanes), sum);
        }
        Lanes::store(y + column, sum, lanes);
    }
}

// V is a type of 16 lanes (simd/lanes_*.h).
template <class V>
float dot(const float* a, const float* b, int64_t n) {
    V sum = V::all(0.0f);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) sum = fma(V::load(a + i), V::load(b + i), sum);
    if (i < n) sum = fma(V::load_first(a + i, n - i, 0.0f), V::load_first(b + i, n - i, 0.0f), sum);
    return sum_of_lanes(sum);
}

}  // namespace hone::math
