#include "engine/schedule/time_budget.h"

namespace hone::engine {

TimeBudget::TimeBudget(const ScheduleState& state, const Plan& plan) : budget_ps_(plan.budget_ps) {
    if (budget_ps_ == 0) return;
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
}

bool TimeBudget::allows(int32_t layer, double elapsed) const {
    const auto at = static_cast<size_t>(layer);
    const double end =
        elapsed * kPicosecondsPerSecond + static_cast<double>(layer_[at]) + static_cast<double>(decodes_from_[at + 1]);
    return end <= static_cast<double>(budget_ps_);
}

}  // namespace hone::engine
