// A page of charts, whole in itself (HTML with inline SVG, no scripts): how latencies are distributed under each policy,
// and what the steps did. Pure functions.
#pragma once

#include <span>
#include <string>

#include "cli/simulate/simulator.h"
#include "cli/simulate/summary.h"
#include "cli/simulate/timeline.h"

namespace hone::cli {

// What was simulated under one policy; all outlive the call.
struct ChartedRun {
    const Summary* summary;
    const SimulationResult* result;
    const Timeline* timeline;
    int32_t layers;
};

struct ChartTexts {
    std::string title, subtitle, source;
};

std::string to_page(const ChartTexts& texts, std::span<const ChartedRun> runs, const LatencyTargets& targets);

}  // namespace hone::cli
