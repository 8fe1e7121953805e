// Policies: functions from the schedule's state to one step's plan. They hold no state of their own and touch integers
// only; the building blocks let other policies (tests have a random one) be written the same way.
#pragma once

#include <functional>

#include "engine/schedule/state.h"

namespace hone::engine {

// Plans one step. When sequences run or wait, the plan has at least one segment.
using Policy = std::function<Plan(ScheduleState&)>;

// Every decoding sequence advances by one token; then prompts, first come first served, fill token_budget with chunks
// that cross all layers (Sarathi-Serve, arXiv 2403.02310).
Plan plan_chunked(ScheduleState& state);

// Every decoding sequence advances by one token; beside them one cohort of prompts, many tokens together, advances by a
// group of layers a step, so that each layer's weights are read once a cohort (layered prefill, arXiv 2510.08055). Rows
// times layers of a step stay within token_budget rows through all layers.
Plan plan_layered(ScheduleState& state);

// Plans a row for every decoding sequence, oldest first. Where a page is missing the youngest running sequence is
// preempted, possibly the one that asked. The oldest always gets on, so every sequence finishes.
void plan_decodes(ScheduleState& state, Plan& plan);

// admit(), but not in a step that had to preempt.
void admit_if_calm(ScheduleState& state, const Plan& plan);

// Most tokens of a layered cohort: 16 steps of a whole budget, or less where the model has fewer layers.
int32_t cohort_capacity(const ScheduleLimits& limits);

}  // namespace hone::engine
