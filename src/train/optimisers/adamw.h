// AdamW (Loshchilov and Hutter 2019) with the semantics, names and defaults of Tinker's AdamParams: decoupled decay,
// bias correction, moments in fp32. Element by element, IEEE square root and division, no fused operations: the same
// bits on every machine and for any thread count. Called by the pool's owner; the caller keeps parameters and moments.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"

namespace hone::train {

struct AdamParams {
    double learning_rate = 1e-4;
    double beta1 = 0.9, beta2 = 0.95;
    double eps = 1e-12;
    double weight_decay = 0;
    double grad_clip_norm = 0;  // 0 is off; applied by the caller: clip_factor(gradient_norm(...), grad_clip_norm)
};

// A parameter, its gradient and its moments, which start at 0: four spans of one size.
struct AdamwTensor {
    std::span<float> parameter;
    std::span<const float> gradient;
    std::span<float> m, v;
    bool decays = true;  // false for norm vectors and biases
};

// Step t = 1, 2, ...: with g = gradient * gradient_factor
//   p -= lr weight_decay p;  m += (1 - beta1)(g - m);  v += (1 - beta2)(g^2 - v);
//   p -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// in one pass over the four spans.
void adamw_step(ThreadPool& pool, std::span<const AdamwTensor> tensors, const AdamParams& params, int64_t t,
                float gradient_factor = 1);

}  // namespace hone::train
