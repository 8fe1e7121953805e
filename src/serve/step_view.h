// What those who look on are told of the engine's steps: the steps since the last event as JSON, and rates and gaps over
// the last seconds. Integers and times in, text out; the clock is handed in. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace hone::serve {

class StepView {
  public:
    // Bounds of an event: the newest steps, with so many parts together.
    static constexpr size_t kMostSteps = 64, kMostParts = 512;

    // `epoch`: monotonic seconds of the time that events call 0.
    explicit StepView(double epoch) : epoch_(epoch) {}

    // Whom it is told to has just come: what was before counts for nothing.
    void begin(const engine::EngineMetrics& metrics, double now);

    struct Event {
        std::string fields;    // of a JSON object, without its braces and without "dropped"
        uint64_t steps = 0;    // that it tells of
        uint64_t dropped = 0;  // that were left out of it
        bool is_news = false;  // else it would say what the last one said
    };
    // What was recorded since the last time, and how things stand now (monotonic seconds).
    Event next(const engine::StepTap::Batch& batch, const engine::EngineMetrics& metrics,
               const engine::EngineFacts& facts, double now);

  private:
    // What had been done by then.
    struct Sample {
        double at = 0;
        uint64_t generated_tokens = 0, row_layers = 0;
    };
    struct Gap {
        double at = 0, seconds = 0;
    };

    void add_sample(const engine::EngineMetrics& metrics, double now);
    void add_gaps(const engine::StepTap::Batch& batch, double now);
    void take_gaps(const engine::StepTap::Batch& batch);
    std::string numbers(const engine::EngineMetrics& metrics, const engine::EngineFacts& facts) const;
    double milliseconds(double at) const { return 1e3 * (at - epoch_); }
    // The gap that so many of a hundred do not exceed; nothing where there was none.
    std::optional<double> gap_percentile(int percent) const;

    const double epoch_;
    std::deque<Sample> samples_;
    std::deque<Gap> gaps_;
    std::map<uint64_t, double> last_token_;  // of each sequence
    std::string last_numbers_;
};

// What the automatic policy keeps gaps under, in milliseconds; nothing where it is not known yet, or there is no target.
std::optional<double> gap_target_ms(const engine::EngineFacts& facts, const engine::EngineMetrics& metrics);

// "null" or the number.
std::string number_or_null(std::optional<double> number);

}  // namespace hone::serve
