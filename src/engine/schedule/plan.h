// What one step does: which rows of which sequences pass which layers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/strong_type.h"

namespace hone::engine {

struct SequenceIdTag;
using SequenceId = Strong<uint64_t, SequenceIdTag>;

// The rows of tokens [first_token, end_token) pass layers [first_layer, end_layer).
struct Segment {
    SequenceId sequence;
    int32_t first_token = 0, end_token = 0;
    int32_t first_layer = 0, end_layer = 0;
    // A part of a prompt, which may stop at any layer when the time is up (then end_layer is lowered before the commit).
    bool may_stop = false;
    bool operator==(const Segment&) const = default;
};

// One step's work; sequences appear at most once.
struct Plan {
    std::vector<Segment> segments;
    std::vector<SequenceId> preempted;  // lost their pages and resting rows; they wait again
    int64_t budget_ps = 0;              // when segments that may stop should; 0: open
};

// Whether the plan, cut to what was done, has prompts that may stop and none of them has got on.
inline bool stood_still(const Plan& plan) {
    const auto moved = [](const Segment& segment) { return segment.end_layer > segment.first_layer; };
    const auto may_stop = [](const Segment& segment) { return segment.may_stop; };
    return std::ranges::any_of(plan.segments, may_stop) &&
           std::ranges::none_of(plan.segments, [&](const Segment& one) { return one.may_stop && moved(one); });
}

// How long a step may take while sequences decode, so that their tokens do not come further apart.
struct TokenGap {
    int64_t milliseconds = 0;      // 0: by the factor
    int64_t factor_percent = 200;  // of the step that only decodes, by estimate; 0: no target
};

}  // namespace hone::engine
