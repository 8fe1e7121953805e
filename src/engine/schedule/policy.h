// Policies: functions from the schedule's state to one step's plan. They hold no state of their own and touch integers
// only; the building blocks let other policies (tests have a random one) be written the same way. All begin with a row
// for every decoding sequence and differ in how prompts go beside them. docs/scheduling.md compares them.
#pragma once

#include <functional>

#include "engine/schedule/state.h"

namespace hone::engine {

// Plans one step. When sequences run or wait that do not stand still (paused), the plan has at least one segment.
using Policy = std::function<Plan(ScheduleState&)>;

// vLLM's rule (Sarathi-Serve, arXiv 2403.02310): prompts, first come first served, fill what the decoding rows leave of
// token_budget, at least one row, with chunks that cross all layers.
Plan plan_chunked(ScheduleState& state);

// Layered prefill (arXiv 2510.08055): one cohort of prompts, kCohortBudgets times token_budget tokens together at most,
// first come first served, passes one group of layers a step; nothing joins it until its tokens are computed. Its number
// of groups depends on its tokens (layered_groups), so that a step does about the work of a chunk of token_budget tokens.
Plan plan_layered(ScheduleState& state);

// Two-dimensional: each step is filled, up to the time that limits.token_gap leaves beside the decoding rows, with the
// chunk of tokens and range of layers that brings the prompts on soonest by state.costs; the most urgent prompts first.
// Without decoding rows or a target, up to 1024 tokens (token_budget if that is less) cross all layers.
Plan plan_auto(ScheduleState& state);

// Groups of layers that a cohort of `tokens` takes: 1 up to the budget (published: 512 tokens), 2 up to twice as many, 4,
// 8, then most_groups; each lowered to a divisor of most_groups, as the published table has it, if there is one but 1.
int32_t layered_groups(int32_t tokens, int32_t most_groups, int32_t token_budget);
constexpr int32_t kCohortBudgets = 16;  // published: cohorts of up to 8192 tokens
// The most groups a model of `layers` layers is cut into: its largest divisor from 8 to 16, else 16 unequal ones.
int32_t most_layered_groups(int32_t layers);

// Share of the tenant, then arrival by priority and the time that what is left of the prompt takes alone: short prompts
// go before long ones, but none waits for those that came later than its own length takes.
Turn by_expected_finish(const ScheduleState& state, const SequenceState& sequence);

// Plans all outstanding rows of every decoding sequence that is not paused, those of the best rank and age first. Where a
// page is missing a paused sequence is preempted or, where there is none, the last in that order, possibly the one that
// asked. The first always gets on, so every sequence finishes.
void plan_decodes(ScheduleState& state, Plan& plan);

// admit(), but not in a step that had to preempt. Paused sequences make way, one by one, for those that do not fit.
void admit_if_calm(ScheduleState& state, Plan& plan, SequenceOrder order);

// Running sequences that are not computed up to their last known token and do not stand still, in this order.
std::vector<SequenceState*> running_prompts(ScheduleState& state, SequenceOrder order);

}  // namespace hone::engine
