// y = x W^T (y [T, n] fp32, x [T, k] fp32), in the numeric class of the weight: bf16 weights and f32seq INT4 see x
// rounded to bf16, i8g32 and i8p32 see it quantised to int8 per group of 32, f32 weights (router) see it as it is.
// numerics.md, rules 1, 9, 16. Every row's bits depend on that row and the weight alone.
#pragma once

#include <span>

#include "math/ops/op_context.h"

namespace hone::math {

void linear(OpContext& context, MatrixView<const float> x, const Weight& weight, MatrixView<float> y);

// Several matrices over one input (query, key and value): the input is rounded or quantised once. weights[i] goes with
// outputs[i]; formats may differ.
void linear(OpContext& context, MatrixView<const float> x, std::span<const Weight* const> weights,
            std::span<const MatrixView<float>> outputs);

}  // namespace hone::math
