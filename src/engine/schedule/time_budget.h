// Whether a step's prompts have time for one more layer: its budget against the clock and the estimated rest of the
// decoding rows, which takes longer than estimated if the step has so far (others slow a machine down for longer than a
// layer). Made for one plan before it runs.
#pragma once

#include "engine/schedule/state.h"

namespace hone::engine {

// Picoseconds of a step of the rows of `decodes` alone, by estimate.
int64_t decode_picoseconds(const ScheduleState& state, const LayerWork& decodes);
// Picoseconds a step may take beside the rows of `decodes`: 0 if nothing bounds it.
int64_t step_budget(const ScheduleState& state, const LayerWork& decodes);
// What of a budget is planned for: steps take up to late_permille of their estimate, so that much is left free.
inline int64_t planned_part(const ScheduleState& state, int64_t budget_ps) {
    return budget_ps / state.costs.late_permille * 1000;
}
// When the turn of a guest (base/turns.h) should end that follows a step of the rows of `decodes`, and of prompts or not,
// which took `elapsed_ps`: picoseconds after the step began; not beyond elapsed_ps: no turn. Decoding rows leave what
// their budget leaves, or, where nothing bounds it, as long as the step took. Prompts leave nothing of their own.
int64_t turn_end_ps(const ScheduleState& state, const LayerWork& decodes, bool prompts, int64_t elapsed_ps);

class TimeBudget {
  public:
    // must_move: prompts did not get on in the last step, so they do in this one.
    TimeBudget(const ScheduleState& state, const Plan& plan, bool must_move);

    // Whether the segments that may stop should pass `layer`, `elapsed` seconds after the step began; `moved`: one of them
    // has passed another in this step.
    bool allows(int32_t layer, double elapsed, bool moved) const;

  private:
    const int64_t budget_ps_;
    const bool must_move_;
    int64_t begin_ps_ = 0;               // of what comes before the layers
    int32_t lead_layer_ = 0;             // where the most urgent prompt begins
    int64_t lead_ps_ = 0;                // of its rows in that layer
    std::vector<int64_t> before_;        // picoseconds of all rows in the layers before this one
    std::vector<int64_t> decodes_from_;  // picoseconds of the decoding rows from this layer on, with their logits
    std::vector<int64_t> layer_;         // of all rows in this layer
};

}  // namespace hone::engine
