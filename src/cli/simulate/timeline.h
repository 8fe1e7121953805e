// What the steps of a window of simulated time did: prompts as blocks of tokens and layers beside the rows that decode.
// A StepObserver of one simulation.
#pragma once

#include <vector>

#include "cli/simulate/simulator.h"

namespace hone::cli {

// A part of a prompt that passed layers in a step.
struct TimelineBlock {
    int32_t first_layer = 0, end_layer = 0, tokens = 0;
    uint64_t sequence = 0;
};

struct TimelineStep {
    double began = 0, ended = 0;  // simulated seconds
    int32_t decodes = 0;          // rows that decode
    std::vector<TimelineBlock> blocks;
};

class Timeline : public StepObserver {
  public:
    // Keeps the steps that begin in [from, from + seconds), no more than kMostSteps.
    Timeline(double from, double seconds) : from_(from), seconds_(seconds) {}

    void ran(const engine::ScheduleState& state, const engine::Plan& plan, double began, double ended) override {
        if (began < from_ || began >= from_ + seconds_ || steps_.size() >= kMostSteps) return;
        TimelineStep step{.began = began, .ended = ended, .decodes = 0, .blocks = {}};
        for (const engine::Segment& segment : plan.segments) {
            const int32_t tokens = segment.end_token - segment.first_token;
            if (state.running.at(segment.sequence).decoding)
                step.decodes += tokens;
            else if (segment.end_layer > segment.first_layer)
                step.blocks.push_back({segment.first_layer, segment.end_layer, tokens, segment.sequence.value});
        }
        steps_.push_back(std::move(step));
    }

    double from() const { return from_; }
    double seconds() const { return seconds_; }
    const std::vector<TimelineStep>& steps() const { return steps_; }

  private:
    static constexpr size_t kMostSteps = 2000;
    const double from_, seconds_;
    std::vector<TimelineStep> steps_;
};

}  // namespace hone::cli
