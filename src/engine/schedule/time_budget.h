// Whether a step's prompts have time for one more layer: its budget against the clock and the estimated rest of the
// decoding rows. Made for one plan before it runs.
#pragma once

#include "engine/schedule/state.h"

namespace hone::engine {

class TimeBudget {
  public:
    TimeBudget(const ScheduleState& state, const Plan& plan);

    // Whether the segments that may stop should pass `layer`, `elapsed` seconds after the step began.
    bool allows(int32_t layer, double elapsed) const;

  private:
    const int64_t budget_ps_;
    std::vector<int64_t> decodes_from_;  // picoseconds of the decoding rows from this layer on, with their logits
    std::vector<int64_t> layer_;         // of all rows in this layer
};

}  // namespace hone::engine
