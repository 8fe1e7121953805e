// Mixture of experts over grouped rows: y_t = sum over slots s of w_ts * down_e( silu(gate_e x_t) * up_e x_t ), e =
// experts(t, s). Rows are gathered per expert; every row's chain is that of ops/linear.h, and of ops/lora.h where its
// token has an adapter; slots are added ascending in fp32 (rule 8).
#pragma once

#include "math/ops/lora.h"

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

// Tokens under one adapter.
struct ExpertLoraRun {
    int64_t first_row = 0, rows = 0;
    // One per expert, or empty: not adapted. Experts may share a factor.
    std::span<const LoraWeights> gate, up, down;
};

// What is inside the experts: gate and up of every choice, its adapter's part included, by expert and then by token.
struct ExpertInner {
    MatrixView<float> gate, up;  // [T * k, F] each, or both without data

    void check_shape(const Routing& routing, const ExpertWeights& experts) const;
};

// y [T, D] is overwritten. x [T, D]. Runs of tokens ascend and have none in common; of those in no run nothing changes.
// `inner` is set, where it has data.
void moe(OpContext& context, MatrixView<const float> x, const Routing& routing, const ExpertWeights& experts,
         MatrixView<float> y, std::span<const ExpertLoraRun> adapters = {}, const ExpertInner& inner = {});

// Of the factors of a run: one per expert, or empty where none are wanted. Experts that share a factor share its
// gradient, which they add to in ascending order.
struct ExpertLoraGradients {
    std::span<const LoraGradients> gate, up, down;
};

// What moe_backward adds to. Gradients of weights are wanted for every expert, or for none (empty).
struct MoeGradients {
    MatrixView<float> dx;                                  // [T, D]
    MatrixView<float> dweights;                            // [T, k], of the routing's weights
    std::span<const MatrixView<float>> dgate, dup, ddown;  // one per expert, [F, D] and [D, F]
    std::span<const ExpertLoraGradients> adapters = {};    // one per run; empty: none wanted
};

// The gradients for dy [T, D]. Gate and up are those of `inner` or, where it has no data, computed again with the
// forward's bits, as h = silu(gate) * up always is; products of gradients are those of ops/linear.h, fp32 throughout where
// the weights are f32. An element's chain goes on from what is there: dx over experts ascending, dgate, dup and ddown over
// tokens ascending. The gradient of a routing weight is the dot of h with dy W_down, by rule 2; where down is adapted, with
// that and its part of the gradient of h. Experts without rows get nothing. Scratch is 64 MiB, which hold rows of one
// expert; where each thread has an expert of its own 8 MiB a thread, beside 64 MiB for rows of dx, or those of one expert.
void moe_backward(OpContext& context, MatrixView<const float> x, const Routing& routing, const ExpertWeights& experts,
                  MatrixView<const float> dy, const MoeGradients& gradients,
                  std::span<const ExpertLoraRun> adapters = {}, const ExpertInner& inner = {});

}  // namespace hone::math
