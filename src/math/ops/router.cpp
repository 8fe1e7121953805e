#include "math/ops/router.h"

#include <cmath>
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

// One row of the backward pass: what it reads and adds to.
struct ChosenRow {
    const float* logits;
    const int32_t* experts;
    const float *weights, *dweights;
    float* dlogits;
};

// Factors that were divided by their sum, or scores that are independent: only the chosen logits get a gradient.
// scratch: k values.
void push_to_chosen(const RowKernels& kernels, const RouterSpec& spec, const ChosenRow& row, float* scratch) {
    const int32_t chosen = spec.experts_per_token;
    float shared = 0;
    for (int32_t slot = 0; spec.normalise && slot < chosen; slot++)
        shared = std::fma(row.dweights[slot], row.weights[slot] / spec.scale, shared);
    if (spec.score == RouterScore::sigmoid) {
        for (int32_t slot = 0; slot < chosen; slot++) scratch[slot] = -row.logits[row.experts[slot]];
        kernels.sigmoid.run(scratch, scratch, chosen);  // 1 - score, exact to the last places near a score of 1
    } else {
        std::fill_n(scratch, chosen, 1.0f);
    }
    for (int32_t slot = 0; slot < chosen; slot++) {
        const float dlog_score = row.weights[slot] * (row.dweights[slot] - shared);
        row.dlogits[row.experts[slot]] = std::fma(dlog_score, scratch[slot], row.dlogits[row.experts[slot]]);
    }
}

// Shares of all experts: through the sum of the softmax every logit gets a gradient. scratch: 2 E values.
void push_to_all(const RowKernels& kernels, const RouterSpec& spec, const ChosenRow& row, int64_t experts,
                 float* scratch) {
    float *scores = scratch, *dscores = scratch + experts;
    kernels.softmax.run(row.logits, scores, experts);
    std::fill_n(dscores, experts, 0.0f);
    for (int32_t slot = 0; slot < spec.experts_per_token; slot++)
        dscores[row.experts[slot]] = spec.scale * row.dweights[slot];
    kernels.softmax_backward.run(scores, dscores, row.dlogits, experts);
}

void check_shapes(const RouterSpec& spec, MatrixView<const float> logits, const Routing& routing) {
    const int64_t experts = logits.cols, chosen = spec.experts_per_token;
    CHECK(chosen >= 1 && chosen <= experts, "{} of {} experts", chosen, experts);
    CHECK(routing.experts.rows == logits.rows && routing.experts.cols == chosen, "[{}, {}]", routing.experts.rows,
          routing.experts.cols);
    CHECK(routing.weights.rows == logits.rows && routing.weights.cols == chosen, "[{}, {}]", routing.weights.rows,
          routing.weights.cols);
}

}  // namespace

void route(OpContext& context, const RouterSpec& spec, MatrixView<const float> logits, const Routing& routing) {
    const int64_t experts = logits.cols, chosen = spec.experts_per_token;
    check_shapes(spec, logits, routing);
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

void route_backward(OpContext& context, const RouterSpec& spec, MatrixView<const float> logits, const Routing& routing,
                    MatrixView<const float> dweights, MatrixView<float> dlogits) {
    check_shapes(spec, logits, routing);
    const int64_t experts = logits.cols;
    CHECK(dweights.rows == logits.rows && dweights.cols == spec.experts_per_token, "[{}, {}]", dweights.rows,
          dweights.cols);
    CHECK(dlogits.rows == logits.rows && dlogits.cols == experts, "[{}, {}]", dlogits.rows, dlogits.cols);
    const RowKernels& kernels = context.kernels.rows;
    const bool only_chosen = spec.normalise || spec.score == RouterScore::sigmoid;
    const Workspace::Scope scope(context.workspace);
    const auto scratch = context.workspace.matrix<float>(context.pool.threads(), 2 * experts);
    const int64_t row_work = only_chosen ? 16 * spec.experts_per_token : 8 * experts;
    for_row_blocks(context, logits.rows, row_work, [&](int64_t first, int64_t count, int worker) {
        for (int64_t i = first; i < first + count; i++) {
            const ChosenRow row{logits.row(i), routing.experts.row(i), routing.weights.row(i), dweights.row(i),
                                dlogits.row(i)};
            if (only_chosen)
                push_to_chosen(kernels, spec, row, scratch.row(worker));
            else
                push_to_all(kernels, spec, row, experts, scratch.row(worker));
        }
    });
}

}  // namespace hone::math
