#include "engine/schedule/time_budget.h"

#include <algorithm>
#include <numeric>

namespace hone::engine {

int64_t decode_picoseconds(const ScheduleState& state, const LayerWork& decodes) {
    if (decodes.rows == 0) return state.costs.step;
    LayerWork work = decodes;
    work.first_layer = 0;
    work.end_layer = state.limits.layers;
    const int64_t layers = state.costs.of(state.shape, work);
    return std::min(layers + state.costs.step + decodes.rows * state.costs.logits, kMostPicoseconds);
}

int64_t step_budget(const ScheduleState& state, const LayerWork& decodes) {
    const TokenGap& gap = state.limits.token_gap;
    if (decodes.rows == 0 || (gap.milliseconds == 0 && gap.factor_percent == 0)) return 0;
    const int64_t alone = decode_picoseconds(state, decodes);
    const int64_t target =
        gap.milliseconds > 0 ? gap.milliseconds * (kPicosecondsPerSecond / 1000) : alone / 100 * gap.factor_percent;
    return std::max(target, alone + alone / 8);  // prompts get on even where the target is not to be met
}

int64_t turn_end_ps(const ScheduleState& state, const LayerWork& decodes, bool prompts, int64_t elapsed_ps) {
    if (decodes.rows == 0) return 0;
    const int64_t budget = step_budget(state, decodes);
    if (budget > 0) return planned_part(state, budget);
    return prompts ? 0 : 2 * elapsed_ps;
}

TimeBudget::TimeBudget(const ScheduleState& state, const Plan& plan, bool must_move)
    : budget_ps_(plan.budget_ps), must_move_(must_move) {
    if (budget_ps_ == 0) return;
    begin_ps_ = state.costs.step;
    const auto layers = static_cast<size_t>(state.limits.layers);
    layer_.resize(layers);
    decodes_from_.resize(layers + 1);
    LayerWork decodes;
    for (const Segment& segment : plan.segments) {
        if (!segment.may_stop) decodes.add(segment), decodes_from_[layers] += state.costs.logits;
    }
    for (int32_t layer = state.limits.layers - 1; layer >= 0; layer--) {
        LayerWork all{.first_layer = layer, .end_layer = layer + 1};
        for (const Segment& segment : plan.segments) {
            if (segment.first_layer <= layer && layer < segment.end_layer) all.add(segment);
        }
        decodes.first_layer = layer, decodes.end_layer = layer + 1;
        const auto at = static_cast<size_t>(layer);
        decodes_from_[at] = decodes_from_[at + 1] + (decodes.rows > 0 ? state.costs.of(state.shape, decodes) : 0);
        layer_[at] = state.costs.of(state.shape, all);
    }
    before_.assign(layers, 0);
    std::partial_sum(layer_.begin(), layer_.end() - 1, before_.begin() + 1);
    const auto lead = std::ranges::find(plan.segments, true, &Segment::may_stop);
    if (lead == plan.segments.end()) return;
    lead_layer_ = decodes.first_layer = lead->first_layer;
    decodes.end_layer = lead_layer_ + 1;
    const int64_t alone = decodes.rows > 0 ? state.costs.of(state.shape, decodes) : 0;
    decodes.add(*lead);
    lead_ps_ = state.costs.of(state.shape, decodes) - alone;
}

bool TimeBudget::allows(int32_t layer, double elapsed, bool moved) const {
    if (must_move_ && !moved) return true;
    const auto at = static_cast<size_t>(layer);
    const double passed = elapsed * kPicosecondsPerSecond;
    // An eighth of the decoding rows' time as expected, beside what has passed: a few short layers say little.
    const double known = static_cast<double>(decodes_from_[0]) / 8;
    const double slowness = std::max(1.0, (passed + known) / (static_cast<double>(begin_ps_ + before_[at]) + known));
    int64_t left = layer_[at] + decodes_from_[at + 1];
    if (layer < lead_layer_) left += lead_ps_;
    return passed + slowness * static_cast<double>(left) <= static_cast<double>(budget_ps_);
}

}  // namespace hone::engine
