// Elementwise ops of the feed-forward and the residual stream, fp32. An output's bits depend on the elements at its own
// place alone.
#pragma once

#include "math/ops/op_context.h"

namespace hone::math {

// y = silu(gate) * up, silu(g) = g * sigmoid(g); all [T, F]; y may be gate or up.
void swiglu(OpContext& context, MatrixView<const float> gate, MatrixView<const float> up, MatrixView<float> y);

// dgate += dy * up * silu'(gate), dup += dy * silu(gate), silu'(g) = s + g * s * (1 - s) with s = sigmoid(g); all [T, F].
void swiglu_backward(OpContext& context, MatrixView<const float> gate, MatrixView<const float> up,
                     MatrixView<const float> dy, MatrixView<float> dgate, MatrixView<float> dup);

// y = x, [T, D].
void copy(OpContext& context, MatrixView<const float> x, MatrixView<float> y);

// x += y, [T, D]. Its gradient goes to both as it is.
void add(OpContext& context, MatrixView<const float> y, MatrixView<float> x);

// x = min(max(x, -limit), limit), [T, D] (clip_qkv).
void clamp(OpContext& context, float limit, MatrixView<float> x);

// The gradient of clamp's input in place of that of its output: dy stays where |x| <= limit and is 0 elsewhere; x is the
// input before the clamp. In place like the forward, so it replaces instead of adding.
void clamp_backward(OpContext& context, MatrixView<const float> x, float limit, MatrixView<float> dy);

}  // namespace hone::math
