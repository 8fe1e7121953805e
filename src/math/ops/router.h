// Expert choice from router logits (numerics.md rule 8): scores, the k best by score descending then index ascending,
// factors. A row's bits depend on its logits alone: the sum of the softmax runs over the 16-lane tree, that of the chosen
// scores in slot order.
#pragma once

#include "math/ops/moe.h"

namespace hone::math {

enum class RouterScore { softmax, sigmoid };

struct RouterSpec {
    RouterScore score = RouterScore::softmax;  // softmax over all experts, or a sigmoid each
    int32_t experts_per_token = 0;
    bool normalise = true;                  // divide the chosen scores by their sum (added in slot order)
    float scale = 1;                        // factor afterwards
    std::span<const float> selection_bias;  // [E] or empty: added to the scores for the choice only
};

// logits [T, E] fp32; routing [T, k] is filled.
void route(OpContext& context, const RouterSpec& spec, MatrixView<const float> logits, const Routing& routing);

// dlogits [T, E] += the gradient of the chosen factors, dweights [T, k]; logits and routing are those of route. None
// goes through the choice nor to the bias. With the factors w and u_j = w_j * dw_j, or w_j * (dw_j - sum over i of dw_i
// * w_i / scale) if they were normalised: a sigmoid's logit gets u_j * (1 - score_j), that of a normalised softmax u_j,
// and those not chosen nothing; without normalisation softmax_backward of the row kernels gives every logit its part.
void route_backward(OpContext& context, const RouterSpec& spec, MatrixView<const float> logits, const Routing& routing,
                    MatrixView<const float> dweights, MatrixView<float> dlogits);

}  // namespace hone::math
