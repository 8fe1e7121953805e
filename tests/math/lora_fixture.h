// What the tests of adapters share: factors that own their values, and the definition of what they add.
#pragma once

#include "gemm_fixture.h"
#include "math/ops/lora.h"

namespace hone::math {

// Factors that own their values.
struct Factors {
    int32_t rank;
    std::vector<float> a_values, b_values;
    PackedWeight a, b;
    LoraWeights weights;

    Factors(int32_t n, int32_t k, int32_t rank, float scale, std::vector<float> a_given, std::vector<float> b_given)
        : rank(rank),
          a_values(std::move(a_given)),
          b_values(std::move(b_given)),
          a(WeightFormat::f32, rank, k, a_values),
          b(WeightFormat::f32, n, rank, b_values),
          weights{a.weight, b.weight, scale} {}
    Factors(uint64_t seed, int32_t n, int32_t k, int32_t rank)
        : Factors(n, k, rank, 32.0f / static_cast<float>(rank), random_values(seed, int64_t{rank} * k, 0.3f),
                  random_values(seed + 1, int64_t{n} * rank, 0.3f)) {}
};

// y += s (x A^T) B^T of a row, as ops/lora.h says it.
inline void add_by_definition(const Factors& factors, std::span<const float> x, std::span<float> y) {
    std::vector<float> h;
    for (size_t r = 0; r < static_cast<size_t>(factors.rank); r++) {
        float sum = 0;
        for (size_t i = 0; i < x.size(); i++) sum = std::fma(x[i], factors.a_values[r * x.size() + i], sum);
        h.push_back(factors.weights.scale * sum);
    }
    for (size_t j = 0; j < y.size(); j++) {
        for (size_t r = 0; r < h.size(); r++) y[j] = std::fma(h[r], factors.b_values[j * h.size() + r], y[j]);
    }
}

}  // namespace hone::math
