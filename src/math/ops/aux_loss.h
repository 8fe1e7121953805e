// The load-balancing loss of a router (Switch Transformer, arXiv 2101.03961, as Hugging Face's load_balancing_loss_func
// has it): E * sum over e of f_e * P_e over the rows of all layers together, f_e = selections of expert e / rows, P_e the
// mean of its softmax probability. The layers' logits need not be in memory at once: the forward pass adds up one layer
// after the other in a RouterLoad, the backward pass goes through them again. Gradient through P only. The caller owns
// the RouterLoad; the bits of its sums depend on the calls alone, not on threads.
#pragma once

#include <vector>

#include "math/ops/op_context.h"

namespace hone::math {

// What the routers of all layers have done with the rows so far.
struct RouterLoad {
    explicit RouterLoad(int64_t experts)
        : selections(static_cast<size_t>(experts)), probabilities(static_cast<size_t>(experts)) {}

    int64_t rows = 0;
    std::vector<int64_t> selections;    // [E]: how often each expert was chosen
    std::vector<double> probabilities;  // [E]: sums of the softmax over all experts
};

// Adds one layer: logits [T, E], experts [T, k] as route chose them. counted [T]: 0 leaves a row out (padding); empty:
// all count. Probabilities are added in fp32 over blocks of 32 rows, the blocks ascending in fp64.
void add_router_load(OpContext& context, MatrixView<const float> logits, MatrixView<const int32_t> experts,
                     std::span<const uint8_t> counted, RouterLoad& load);

// The loss; 0 without rows.
double aux_loss(const RouterLoad& load);

// Adds coefficient * the gradient of the loss by one layer's logits [T, E] to dlogits [T, E], with the load of all
// layers; rows that were not counted get none. dlogits_e += softmax_e * (g_e - sum over i of softmax_i * g_i), g_e =
// coefficient * E / rows * (f_e - k / E): the mean of f has no part in the difference, and would cost digits.
void aux_loss_backward(OpContext& context, const RouterLoad& load, double coefficient, MatrixView<const float> logits,
                       std::span<const uint8_t> counted, MatrixView<float> dlogits);

}  // namespace hone::math
