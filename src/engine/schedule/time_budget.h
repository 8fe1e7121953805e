// Whether a step's prompts have time for one more layer: its budget against the clock and the estimated rest of the
// decoding rows, which takes longer than estimated if the step has so far (others slow a machine down for longer than a
// layer). Made for one plan before it runs.
#pragma once

#include "engine/schedule/state.h"

namespace hone::engine {

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
