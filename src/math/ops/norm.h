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

}  // namespace hone::math
