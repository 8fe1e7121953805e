#include "math/ops/router.h"

#include <limits>

#include "math/ops/parallel.h"

namespace hone::math {
namespace {

// The indices of the `count` largest of scores + bias, the largest first, ties to the smaller index. NaN counts as the
// smallest.
void select_best(std::span<const float> scores, std::span<const float> bias, int32_t count, float* best,
                 int32_t* chosen) {
    constexpr float kLowest = -std::numeric_limits<float>::infinity();
    int32_t held = 0;
    for (size_t i = 0; i < scores.size(); i++) {
        float score = bias.empty() ? scores[i] : scores[i] + bias[i];
        if (score != score) score = kLowest;
        if (held == count && !(score > best[count - 1])) continue;
        int32_t slot = held < count ? held++ : count - 1;
        for (; slot > 0 && score > best[slot - 1]; slot--) {
            best[slot] = best[slot - 1];
            chosen[slot] = chosen[slot - 1];
        }
        best[slot] = score;
        chosen[slot] = static_cast<int32_t>(i);
    }
}

void weigh(const RouterSpec& spec, const float* scores, const int32_t* chosen, float* weights) {
    float sum = 0;
    for (int32_t slot = 0; slot < spec.experts_per_token; slot++) {
        weights[slot] = scores[chosen[slot]];
        sum += weights[slot];
    }
    for (int32_t slot = 0; slot < spec.experts_per_token; slot++) {
        if (spec.normalise) weights[slot] /= sum;
        weights[slot] *= spec.scale;
    }
}

}  // namespace

void route(OpContext& context, const RouterSpec& spec, MatrixView<const float> logits, const Routing& routing) {
    const int64_t experts = logits.cols, chosen = spec.experts_per_token;
    CHECK(chosen >= 1 && chosen <= experts, "{} of {} experts", chosen, experts);
    CHECK(routing.experts.rows == logits.rows && routing.experts.cols == chosen, "[{}, {}]", routing.experts.rows,
          routing.experts.cols);
    CHECK(routing.weights.rows == logits.rows && routing.weights.cols == chosen, "[{}, {}]", routing.weights.rows,
          routing.weights.cols);
    CHECK(spec.selection_bias.empty() || static_cast<int64_t>(spec.selection_bias.size()) == experts,
          "{} for {} experts", spec.selection_bias.size(), experts);
    const auto score = spec.score == RouterScore::softmax ? context.kernels.rows.softmax : context.kernels.rows.sigmoid;
    const Workspace::Scope scope(context.workspace);
    const auto scratch = context.workspace.matrix<float>(context.pool.threads(), experts + chosen);
    constexpr int64_t kWork = 16;  // an exponential twice, and the selection
    for_row_blocks(context, logits.rows, kWork * experts, [&](int64_t first, int64_t count, int worker) {
        float* scores = scratch.row(worker);
        for (int64_t i = first; i < first + count; i++) {
            score.run(logits.row(i), scores, experts);
            select_best({scores, static_cast<size_t>(experts)}, spec.selection_bias, spec.experts_per_token,
                        scores + experts, routing.experts.row(i));
            weigh(spec, scores, routing.experts.row(i), routing.weights.row(i));
        }
    });
}

}  // namespace hone::math
