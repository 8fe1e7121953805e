// What a simulated run comes to: percentiles, goodput, traffic; as a table and as JSON. Pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "cli/bench/load/load_summary.h"
#include "cli/simulate/simulator.h"

namespace hone::cli {

struct Summary {
    std::string policy;
    int64_t finished = 0, refused = 0;
    LatencySpread first_token, gap, whole;  // seconds: to the first token, between tokens, to the last token
    double goodput = 0;                     // share of all requests that meet the targets
    double seconds = 0, busy = 0;           // simulated; busy: share of them in steps
    double prompt_tokens_per_second = 0, output_tokens_per_second = 0;
    double cached_share = 0;  // of the prompts' tokens
    double prompt_expert_bytes = 0, decode_expert_bytes = 0;
    int64_t steps = 0, preemptions = 0, stops = 0;
    double cost_error = 0, steps_per_minute = 0;  // of the wall clock
};

Summary summarise(std::string policy, const SimulationResult& result, const LatencyTargets& targets);

// A column each.
std::string to_table(std::span<const Summary> summaries, const LatencyTargets& targets);
// Latencies in milliseconds, named as `hone bench serve` does.
boost::json::object to_json(const Summary& summary);

}  // namespace hone::cli
