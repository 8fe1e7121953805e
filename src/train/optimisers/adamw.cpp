#include "train/optimisers/adamw.h"

#include <cmath>

#include "base/check.h"
#include "train/optimisers/blocks.h"

namespace hone::train {
namespace {

// x^n by squaring: no library function, so the same bits everywhere.
double power(double x, int64_t n) {
    double result = 1;
    for (; n > 0; n /= 2, x *= x) {
        if (n % 2 == 1) result *= x;
    }
    return result;
}

// What a step is for every element, rounded to fp32 once.
struct StepFactors {
    float gradient, decay, first, second, rate, inverse_root, eps;
};

StepFactors factors_of(const AdamParams& params, int64_t t, float gradient_factor) {
    return {.gradient = gradient_factor,
            .decay = static_cast<float>(params.learning_rate * params.weight_decay),
            .first = static_cast<float>(1 - params.beta1),
            .second = static_cast<float>(1 - params.beta2),
            .rate = static_cast<float>(params.learning_rate / (1 - power(params.beta1, t))),
            .inverse_root = static_cast<float>(1 / std::sqrt(1 - power(params.beta2, t))),
            .eps = static_cast<float>(params.eps)};
}

// Inlined with a constant n where it matters, so that the compiler takes several elements at once; the spans are four
// different ones (ivdep).
template <bool kMoves>
[[gnu::always_inline]] inline void update(StepFactors step, float* p, const float* gradient, float* m, float* v,
                                          size_t n) {
#pragma GCC ivdep
    for (size_t i = 0; i < n; i++) {
        const float g = gradient[i] * step.gradient;
        const float first = m[i] + step.first * (g - m[i]);
        const float second = v[i] + step.second * (g * g - v[i]);
        m[i] = first;
        v[i] = second;
        if constexpr (kMoves) {
            const float decayed = p[i] - step.decay * p[i];
            p[i] = decayed - step.rate * (first / (std::sqrt(second) * step.inverse_root + step.eps));
        }
    }
}

template <bool kMoves>
void update_block(const AdamwTensor& tensor, const Block& block, StepFactors step) {
    constexpr size_t kAtOnce = 16;
    step.decay = tensor.decays ? step.decay : 0.0f;
    float* p = tensor.parameter.data() + block.first;
    const float* gradient = tensor.gradient.data() + block.first;
    float *m = tensor.m.data() + block.first, *v = tensor.v.data() + block.first;
    size_t i = 0;
    for (; i + kAtOnce <= block.count; i += kAtOnce) update<kMoves>(step, p + i, gradient + i, m + i, v + i, kAtOnce);
    update<kMoves>(step, p + i, gradient + i, m + i, v + i, block.count - i);
}

}  // namespace

void adamw_step(ThreadPool& pool, std::span<const AdamwTensor> tensors, const AdamParams& params, int64_t t,
                float gradient_factor) {
    CHECK_GE(t, 1);
    std::vector<size_t> sizes;
    for (const AdamwTensor& tensor : tensors) {
        const size_t size = tensor.parameter.size();
        CHECK(tensor.gradient.size() == size && tensor.m.size() == size && tensor.v.size() == size,
              "parameter of {}, gradient of {}, moments of {} and {}", size, tensor.gradient.size(), tensor.m.size(),
              tensor.v.size());
        sizes.push_back(size);
    }
    const StepFactors step = factors_of(params, t, gradient_factor);
    // At learning rate 0 not even the sign of a zero changes.
    const auto run = params.learning_rate == 0 ? update_block<false> : update_block<true>;
    const std::vector<Block> blocks = blocks_of(sizes);
    pool.parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t i, int) {
        const Block& block = blocks[static_cast<size_t>(i)];
        run(tensors[block.tensor], block, step);
    });
}

}  // namespace hone::train
