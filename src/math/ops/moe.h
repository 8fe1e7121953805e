// Mixture of experts over grouped rows: y_t = sum over slots s of w_ts * down_e( silu(gate_e x_t) * up_e x_t ), e =
// experts(t, s). Rows are gathered per expert; every row's chain is that of ops/linear.h; slots are added ascending in
// fp32 (rule 8).
#pragma once

#include "math/ops/op_context.h"

namespace hone::math {

// What the router chose, a row each: experts by descending score, and the factor of each expert's output.
struct Routing {
    MatrixView<int32_t> experts;  // [T, k]
    MatrixView<float> weights;    // [T, k]
};

struct ExpertWeights {
    std::span<const Weight> gate, up;  // one per expert, [F, D] each
    std::span<const Weight> down;      // [D, F] each
};

// y [T, D] is overwritten. x [T, D].
void moe(OpContext& context, MatrixView<const float> x, const Routing& routing, const ExpertWeights& experts,
         MatrixView<float> y);

}  // namespace hone::math
