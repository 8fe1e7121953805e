// Kernels over one row of fp32 values. Leaves: any count from 1, any alignment; the output may be one of the inputs.
// The plain loops in reference/row_kernels.cpp are the specification, and every ISA gives their bits. Sums follow rule
// 2 of numerics.md: element i belongs to lane i mod 16, a lane is one ascending chain from +0, and the lanes are added
// as lane i + lane i+8, then +4, +2, +1. Callers have denormals flushed (base/cpu_features.h).
#pragma once

#include <cstdint>

#include "math/tensor/bf16.h"

namespace hone::math {

// log sum exp of one row of logits: log(sum of exp(z - maximum)), z = logit / temperature.
struct LogSum {
    float maximum = 0;
    float log_sum = 0;
};

// One row of a norm's backward pass. dx and dweight are added to; dweight may be null.
struct RmsNormGradient {
    const float* x;
    const float* weight;
    float epsilon;
    bool one_plus;
    const float* dy;
    float* dx;
    float* dweight;
};

struct RowKernels {
    template <class Function>
    struct Entry {
        const char* name;
        Function* run;
    };
    using Unary = Entry<void(const float* x, float* y, int64_t n)>;

    // Elementary functions (kernels/elementary.h), y_i = f(x_i).
    Unary exp, exp2, log, sigmoid, tanh, sin, cos;

    // y = (x * (1 / sqrt(sum(x^2) / n + epsilon))) * w, or * (1 + w) if one_plus; the sum by rule 2 with fused chains.
    Entry<void(const float* x, const float* weight, float epsilon, bool one_plus, float* y, int64_t n)> rms_norm;

    // With r = 1 / sqrt(sum(x^2) / n + epsilon) as rms_norm has it, h = x * r and g = dy * w (or dy * (1 + w)):
    // dx = fma(r, fma(-h, m, g), dx), m = sum(g * x) * r / n, the sum by rule 2 with fused chains; dweight = fma(dy, h,
    // dweight).
    Entry<void(const RmsNormGradient& row, int64_t n)> rms_norm_backward;

    // Turns the pairs (x_i, x_{i+half}), i < half, in place: a' = fma(a, cos_i, -(b * sin_i)), b' = fma(b, cos_i, a *
    // sin_i).
    Entry<void(const float* cosine, const float* sine, float* x, int64_t half)> rotate_halves;
    // The same for the pairs (x_2i, x_2i+1), i < half; cosine and sine hold every value twice (2 * half values).
    Entry<void(const float* cosine, const float* sine, float* x, int64_t half)> rotate_pairs;

    // y = (gate * sigmoid(gate)) * up.
    Entry<void(const float* gate, const float* up, float* y, int64_t n)> swiglu;
    // With s = sigmoid(gate), a = gate * s: dgate = fma(dy * up, fma(a, 1 - s, s), dgate), dup = fma(dy, a, dup).
    Entry<void(const float* gate, const float* up, const float* dy, float* dgate, float* dup, int64_t n)>
        swiglu_backward;
    Entry<void(const float* y, float* x, int64_t n)> add;                           // x += y
    Entry<void(float limit, float* x, int64_t n)> clamp;                            // x = min(max(x, -limit), limit)
    Entry<void(const float* x, float limit, float* dy, int64_t n)> clamp_backward;  // dy = 0 where |x| > limit
    Entry<void(float factor, float* x, int64_t n)> scale;                           // x *= factor
    Entry<void(const bf16* x, float* y, int64_t n)> widen_bf16;                     // y = x
    Entry<void(const float* x, bf16* y, int64_t n)> round_bf16;                     // y = round_to_bf16(x)

    // y = exp(x - max(x)) / sum of exp(x - max(x)), the sum by rule 2. The maximum is that of the values that are not
    // NaN; with a NaN, or nothing but -inf, every y is NaN.
    Unary softmax;
    // dx = fma(y, dy - sum(y * dy), dx) for y = softmax(x), the sum by rule 2 with fused chains.
    Entry<void(const float* y, const float* dy, float* dx, int64_t n)> softmax_backward;

    // Rule 11: chunks of 1024 from element 0, each (max, sum of exp(z - max) by rule 2), merged ascending as m =
    // max(m1, m2), s = fma(s2, exp(m2 - m), s1 * exp(m1 - m)). A part whose max is -inf is (-inf, sum of exp(z)), that is
    // 0, and only the sums are added. The maximum is that of the values that are not NaN; a NaN makes log_sum NaN.
    Entry<void(const float* logits, float temperature, LogSum* out, int64_t n)> log_sum_exp;
    // y = (logit / temperature - maximum) - log_sum.
    Entry<void(const float* logits, float temperature, LogSum sum, float* y, int64_t n)> logprobs;
    // From the gradient g of the log-probabilities that of the logits, over the logits: z = fma(-total / temperature,
    // exp(logprob), g / temperature), logprob as above and total the sum of all g. Null: g is 0 everywhere.
    Entry<void(float temperature, LogSum sum, const float* dlogprobs, float total, float* z, int64_t n)>
        logprobs_backward;
    // Chunks of 1024 from element 0, each by rule 2, added ascending from +0.
    Entry<float(const float* x, int64_t n)> sum;

    // Calls visit(name) for each, in the order above.
    void for_each_name(auto&& visit) const {
        for (const Unary* unary : {&exp, &exp2, &log, &sigmoid, &tanh, &sin, &cos}) visit(unary->name);
        visit(rms_norm.name), visit(rms_norm_backward.name), visit(rotate_halves.name), visit(rotate_pairs.name);
        visit(swiglu.name), visit(swiglu_backward.name), visit(add.name);
        visit(clamp.name), visit(clamp_backward.name), visit(scale.name);
        visit(widen_bf16.name), visit(round_bf16.name);
        visit(softmax.name), visit(softmax_backward.name);
        visit(log_sum_exp.name), visit(logprobs.name), visit(logprobs_backward.name), visit(sum.name);
    }
};

namespace reference {
const RowKernels& row_kernels();
}
namespace avx2 {
const RowKernels& row_kernels();
}
namespace avx512_fma {
const RowKernels& row_kernels();
}
namespace avx512 {
const RowKernels& row_kernels();
}

}  // namespace hone::math
