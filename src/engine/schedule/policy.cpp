#include "engine/schedule/policy.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace hone::engine {

constexpr int64_t kCohortSteps = 16;

int32_t cohort_capacity(const ScheduleLimits& limits) {
    const int64_t capacity = int64_t{limits.token_budget} * std::min<int64_t>(kCohortSteps, limits.layers);
    return static_cast<int32_t>(std::min<int64_t>(capacity, std::numeric_limits<int32_t>::max()));
}

// Preempts until `sequence` can take the page of its next row; false if it was preempted itself.
static bool make_room(ScheduleState& state, Plan& plan, const SequenceState& sequence) {
    while (pages_for(sequence.computed + 1) > std::ssize(sequence.pages) && state.spare_pages() < 1) {
        const SequenceId youngest = state.running.rbegin()->first;
        const bool itself = youngest == sequence.id;
        CHECK(!itself || state.running.size() > 1, "a sequence alone does not fit: {} pages", sequence.pages.size());
        preempt(state, plan, youngest);
        if (itself) return false;
    }
    return true;
}

void plan_decodes(ScheduleState& state, Plan& plan) {
    // Preemption erases from the end of the map, behind the sequence that is being planned.
    for (auto at = state.running.begin(); at != state.running.end(); ++at) {
        SequenceState& sequence = at->second;
        if (!sequence.decoding) continue;
        if (!make_room(state, plan, sequence)) return;
        issue_rows(state, plan, sequence, 1, state.limits.layers);
    }
}

void admit_if_calm(ScheduleState& state, const Plan& plan) {
    if (plan.preempted.empty()) admit(state);
}

// Issues chunks of the oldest prompts, `budget` tokens in all.
static void issue_prompts(ScheduleState& state, Plan& plan, int32_t budget, int32_t end_layer) {
    for (auto& [id, sequence] : state.running) {
        if (budget == 0) return;
        if (sequence.decoding) continue;
        adopt_cached(state, sequence);
        if (awaits_shared_page(state, sequence)) continue;
        const int32_t count = std::min(budget, sequence.length() - sequence.computed);
        issue_rows(state, plan, sequence, count, end_layer);
        budget -= count;
    }
}

Plan plan_chunked(ScheduleState& state) {
    Plan plan;
    plan_decodes(state, plan);
    admit_if_calm(state, plan);
    issue_prompts(state, plan, state.limits.token_budget, state.limits.layers);
    return plan;
}

// Forms a cohort and sends it through its first group of layers.
static void start_cohort(ScheduleState& state, Plan& plan) {
    const auto first = static_cast<std::ptrdiff_t>(plan.segments.size());
    issue_prompts(state, plan, cohort_capacity(state.limits), state.limits.layers);
    int64_t tokens = 0;
    for (auto at = plan.segments.begin() + first; at != plan.segments.end(); ++at)
        tokens += at->end_token - at->first_token;
    if (tokens == 0) return;
    const int64_t work = int64_t{state.limits.layers} * state.limits.token_budget;
    state.cohort_layers = static_cast<int32_t>(std::clamp<int64_t>(work / tokens, 1, state.limits.layers));
    for (auto at = plan.segments.begin() + first; at != plan.segments.end(); ++at) at->end_layer = state.cohort_layers;
}

Plan plan_layered(ScheduleState& state) {
    Plan plan;
    plan_decodes(state, plan);
    admit_if_calm(state, plan);
    bool under_way = false;
    for (auto& [id, sequence] : state.running) {
        if (sequence.decoding || !sequence.resting()) continue;
        advance_rows(plan, sequence, std::min(sequence.frontier + state.cohort_layers, state.limits.layers));
        under_way = true;
    }
    if (!under_way) start_cohort(state, plan);
    return plan;
}

}  // namespace hone::engine
