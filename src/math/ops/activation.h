// Elementwise ops of the feed-forward and the residual stream, fp32. An output's bits depend on the elements at its own
// place alone.
#pragma once

#include "math/ops/op_context.h"

namespace hone::math {

// y = silu(gate) * up, silu(g) = g * sigmoid(g); all [T, F]; y may be gate or up.
void swiglu(OpContext& context, MatrixView<const float> gate, MatrixView<const float> up, MatrixView<float> y);

// x += y, [T, D].
void add(OpContext& context, MatrixView<const float> y, MatrixView<float> x);

// x = min(max(x, -limit), limit), [T, D] (clip_qkv).
void clamp(OpContext& context, float limit, MatrixView<float> x);

}  // namespace hone::math
