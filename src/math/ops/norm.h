// RMS norm in fp32: y = x / sqrt(mean(x^2) + eps) * w (or * (1 + w)); the sum over the 16-lane tree of numerics.md
// rule 9.
#pragma once

#include "math/ops/op_context.h"

namespace hone::math {

enum class NormWeight { plain, one_plus };  // factor w, or 1 + w ("zero-centred")

// x and y [T, D], may be the same memory; weight [D].
void rms_norm(OpContext& context, MatrixView<const float> x, std::span<const float> weight, float epsilon,
              NormWeight kind, MatrixView<float> y);

// The same over each head of d = weight.size() columns: x [T, heads * d], in place.
void rms_norm_heads(OpContext& context, MatrixView<float> x, std::span<const float> weight, float epsilon,
                    NormWeight kind);

// The gradients of rms_norm: x is the forward's input, dy [T, D] the gradient of y; dx [T, D] and dweight [D] are added
// to. dweight empty: the weight is frozen. With r = 1 / sqrt(mean(x^2) + eps) of the forward's own chain, g = dy * w and
// h = x * r: dx += r * (g - h * mean(g * h)), dweight += sum over t of dy_t * h_t. A row's dx depends on that row alone;
// dweight adds blocks of 32 rows, counted from the first, in ascending order.
void rms_norm_backward(OpContext& context, MatrixView<const float> x, std::span<const float> weight, float epsilon,
                       NormWeight kind, MatrixView<const float> dy, MatrixView<float> dx, std::span<float> dweight);

// The same over each head of d = weight.size() columns: x (before the norm), dy and dx [T, heads * d]; dweight [d] or
// empty takes the heads of a row one after the other.
void rms_norm_heads_backward(OpContext& context, MatrixView<const float> x, std::span<const float> weight,
                             float epsilon, NormWeight kind, MatrixView<const float> dy, MatrixView<float> dx,
                             std::span<float> dweight);

}  // namespace hone::math
