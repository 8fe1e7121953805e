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

}  // namespace hone::math
