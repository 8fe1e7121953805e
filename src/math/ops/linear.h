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

// dx += sum over i of dy_i W_i: dx [T, k], dy_i [T, n_i]. One chain an element: from dx on, weights in order, n
// ascending (in bf16 by pairs, the odd one first). dy is rounded to bf16 and INT4 weights count as bf16(code * scale)
// whatever their class (straight through its quantiser); for f32 weights nothing is rounded. Without `adds` dx is set, as
// if it had been zero.
void linear_backward_input(OpContext& context, std::span<const MatrixView<const float>> dy,
                           std::span<const Weight* const> weights, MatrixView<float> dx, bool adds = true);
void linear_backward_input(OpContext& context, MatrixView<const float> dy, const Weight& weight, MatrixView<float> dx,
                           bool adds = true);

// bf16: rounded, as those of the products with bf16 and INT4 weights; fp32: as they are (router, LoRA).
enum class GradientOperands { bf16, fp32 };
// Of the gradient of a weight: as its forward product has them.
inline GradientOperands operands_of(const Weight& weight) {
    return weight.format == WeightFormat::f32 ? GradientOperands::fp32 : GradientOperands::bf16;
}

// dweight [n, k] += dy^T x, x [T, k], dy [T, n]. One chain an element: from dweight on, rows ascending (in bf16 by pairs,
// the odd one first).
void linear_backward_weight(OpContext& context, GradientOperands operands, MatrixView<const float> x,
                            MatrixView<const float> dy, MatrixView<float> dweight);
// Of several matrices over one input, which is laid out once: dweights[i] goes with dy[i], and is passed over if it has no
// data.
void linear_backward_weights(OpContext& context, GradientOperands operands, MatrixView<const float> x,
                             std::span<const MatrixView<const float>> dy, std::span<const MatrixView<float>> dweights);

}  // namespace hone::math
