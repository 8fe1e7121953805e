#include "engine/schedule/policy.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace hone::engine {

// The order of decoding rows and, from its end, of preemption. It never changes for a sequence that is not paused, so the
// first always gets on; and everyone becomes the first, whatever priority those have that come later.
static bool outranks(const SequenceState& a, const SequenceState& b) {
    return std::tuple(a.paused, due_ns(a), a.id) < std::tuple(b.paused, due_ns(b), b.id);
}

// The running sequence that is preempted next.
static const SequenceState& last_in_rank(const ScheduleState& state) {
    return std::ranges::max_element(state.running, outranks, [](const auto& entry) { return std::cref(entry.second); })
        ->second;
}

// Preempts until `sequence` can take the pages of its rows; false if it was preempted itself.
static bool make_room(ScheduleState& state, Plan& plan, const SequenceState& sequence) {
    while (pages_for(sequence.length()) - std::ssize(sequence.pages) > state.spare_pages()) {
        const SequenceId last = last_in_rank(state).id;
        const bool itself = last == sequence.id;
        CHECK(!itself || state.running.size() > 1, "a sequence alone does not fit: {} pages", sequence.pages.size());
        preempt(state, plan, last);
        if (itself) return false;
    }
    return true;
}

void plan_decodes(ScheduleState& state, Plan& plan) {
    std::vector<SequenceState*> decoding;
    for (auto& [id, sequence] : state.running) {
        if (sequence.decoding && !sequence.paused) decoding.push_back(&sequence);
    }
    std::ranges::sort(decoding, [](const auto* a, const auto* b) { return outranks(*a, *b); });
    for (SequenceState* sequence : decoding) {
        // Preemption takes from the end of this order: once it took one of these, none is left behind it.
        if (!sequence->decoding || !make_room(state, plan, *sequence)) return;
        issue_rows(state, plan, *sequence, sequence->length() - sequence->computed, state.limits.layers);
    }
}

void admit_if_calm(ScheduleState& state, Plan& plan, SequenceOrder order) {
    if (!plan.preempted.empty()) return;
    while (!admit(state, order) && last_in_rank(state).paused) preempt(state, plan, last_in_rank(state).id);
}

std::vector<SequenceState*> running_prompts(ScheduleState& state, SequenceOrder order) {
    std::vector<std::pair<Turn, SequenceState*>> turns;
    for (auto& [id, sequence] : state.running) {
        if (!sequence.decoding && !sequence.stands_still()) turns.emplace_back(order(state, sequence), &sequence);
    }
    std::ranges::sort(turns, {}, &std::pair<Turn, SequenceState*>::first);
    std::vector<SequenceState*> prompts;
    for (const auto& [turn, sequence] : turns) prompts.push_back(sequence);
    return prompts;
}

// Issues chunks of the first prompts that do not rest, `budget` tokens in all.
static void issue_prompts(ScheduleState& state, Plan& plan, int32_t budget, int32_t end_layer) {
    for (SequenceState* sequence : running_prompts(state, by_arrival)) {
        if (budget == 0) return;
        if (sequence->resting()) continue;
        adopt_cached(state, *sequence);
        if (awaits_shared_page(state, *sequence, by_arrival)) continue;
        const int32_t count = std::min(budget, sequence->length() - sequence->computed);
        issue_rows(state, plan, *sequence, count, end_layer);
        budget -= count;
    }
}

Plan plan_chunked(ScheduleState& state) {
    Plan plan;
    plan_decodes(state, plan);
    int32_t budget = state.limits.token_budget;
    for (const Segment& segment : plan.segments) budget -= segment.end_token - segment.first_token;
    admit_if_calm(state, plan, by_arrival);
    // Rows that another policy left between layers.
    for (SequenceState* sequence : running_prompts(state, by_arrival)) {
        if (sequence->resting()) advance_rows(plan, *sequence, state.limits.layers);
    }
    issue_prompts(state, plan, std::max(budget, 1), state.limits.layers);
    return plan;
}

int32_t most_layered_groups(int32_t layers) {
    constexpr int32_t kMost = 16, kFewest = 8;
    for (int32_t groups = kMost; groups >= kFewest; groups--) {
        if (layers % groups == 0) return groups;
    }
    return std::min(layers, kMost);
}

int32_t layered_groups(int32_t tokens, int32_t most_groups, int32_t token_budget) {
    int32_t groups = 1;
    while (groups < kCohortBudgets && tokens > int64_t{groups} * token_budget) groups *= 2;
    if (groups == kCohortBudgets) return most_groups;
    groups = std::min(groups, most_groups);
    int32_t divisor = groups;
    while (most_groups % divisor != 0) divisor--;
    return divisor > 1 ? divisor : groups;
}

// The first layer after `layer` at which a group ends: the first layers % groups groups have one layer more.
static int32_t group_end(int32_t layer, int32_t layers, int32_t groups) {
    const int32_t length = layers / groups, longer = layers % groups;
    const int32_t in_longer = longer * (length + 1);
    if (layer < in_longer) return (layer / (length + 1) + 1) * (length + 1);
    return in_longer + ((layer - in_longer) / length + 1) * length;
}

Plan plan_layered(ScheduleState& state) {
    const int32_t layers = state.limits.layers;
    Plan plan;
    plan_decodes(state, plan);
    admit_if_calm(state, plan, by_arrival);
    const size_t decodes = plan.segments.size();
    for (SequenceState* sequence : running_prompts(state, by_arrival)) {
        if (!sequence->resting()) continue;
        const int32_t groups = std::max(state.cohort_groups, 1);  // 0: another policy left these rows
        advance_rows(plan, *sequence, group_end(sequence->frontier, layers, groups));
    }
    if (plan.segments.size() > decodes) return plan;

    const int64_t most_tokens = int64_t{kCohortBudgets} * state.limits.token_budget;
    const auto cohort_tokens = static_cast<int32_t>(std::min<int64_t>(most_tokens, state.limits.resting_rows));
    issue_prompts(state, plan, cohort_tokens, layers);
    const auto cohort = std::span(plan.segments).subspan(decodes);
    int32_t tokens = 0;
    for (const Segment& segment : cohort) tokens += segment.end_token - segment.first_token;
    state.cohort_groups = layered_groups(tokens, most_layered_groups(layers), state.limits.token_budget);
    for (Segment& segment : cohort) segment.end_layer = group_end(0, layers, state.cohort_groups);
    return plan;
}

}  // namespace hone::engine
