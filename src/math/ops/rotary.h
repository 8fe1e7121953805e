// Rotary position embedding (Su et al., arXiv 2104.09864): angle = position * inverse_frequency[i] in fp32, sine and
// cosine ours. NeoX turns (x_i, x_{i+R/2}), interleaved (x_2i, x_2i+1); dimensions R.. of a head stay as they are. An
// output's bits depend on its pair and the row's absolute position alone: one product and one fused multiply-add each.
#pragma once

#include <vector>

#include "math/ops/op_context.h"

namespace hone::math {

struct RotarySpec {
    int32_t head_dim = 0;
    bool interleaved = false;
    float scale = 1;                         // factor of sine and cosine (YaRN)
    std::vector<float> inverse_frequencies;  // R/2 values
};

// theta^(-2i/R) for i < rotary_dim / 2, rounded to fp32.
std::vector<float> rotary_inverse_frequencies(float theta, int32_t rotary_dim);

// x [T, heads * head_dim] in place; positions [T].
void rotary(OpContext& context, std::span<const int32_t> positions, const RotarySpec& spec, MatrixView<float> x);

// The gradient of the input in place of that of the output: every pair of dy is turned back and multiplied by scale. In
// place like the forward, so this one backward replaces instead of adding.
void rotary_backward(OpContext& context, std::span<const int32_t> positions, const RotarySpec& spec,
                     MatrixView<float> dy);

}  // namespace hone::math
