// What one long prompt does to streams that are already running, policy by policy: the numbers of a run, the bars that
// they are held to, a table and JSON. Pure functions, any thread.
//
//   {"machine", "limits", "rows": [{"policy", "flags", "undisturbed_gap_p50_ms", "gap_p50_ms", "gap_p99_ms",
//     "gap_max_ms", "ttft_s", "idle_ttft_s", "streams_tok_s", ...}],
//    "bars": [{"policy", "bar", "value", "limit", "holds"}]}
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

#include "cli/bench/load/load_summary.h"

namespace hone::cli {

// A way of running the server: a name and the flags of `hone serve` that it stands for.
struct InterferencePolicy {
    std::string name;
    std::vector<std::string> flags;
    std::string gap_of;  // another policy, measured before, whose gap this one is given as its target; empty: none
};

// "chunked-512" (a budget of so many tokens), "layered", "layered-16", "auto", "auto-2x", "auto-80ms" and "auto-off" (a target for the
// gap), "auto-as-chunked-128" (the gap that chunked-128 gave in this run). The error lists them.
Result<InterferencePolicy> interference_policy(const std::string& name);

// Seconds of the monotonic clock.
struct TimeWindow {
    double begin = 0, end = 0;
};

// The gaps of some streams in windows of time.
struct StreamGaps {
    LatencySpread gaps;  // seconds; of gaps that overlap a window
    double tokens_per_second = 0;
    double steps = 0;  // tokens that arrived for each stream
};
StreamGaps stream_gaps(std::span<const StreamRecord* const> streams, std::initializer_list<TimeWindow> windows);

struct InterferenceRow {
    InterferencePolicy policy;
    StreamGaps undisturbed, during;  // before the prompt was sent and after it; from then until its first token
    double ttft = 0, idle_ttft = 0;  // seconds, of the prompt beside the streams, and alone
    std::optional<bool> is_void;     // others used the machine; nothing: not known
    int attempts = 1;                // until one was not void

    // What the streams' tokens meanwhile would have taken undisturbed.
    double decode_work() const { return during.steps * undisturbed.gaps.p50; }
};

// What must hold, and whether it does; of a void row nobody can say.
struct InterferenceBar {
    std::string policy, bar;
    double value = 0, limit = 0;
    std::optional<bool> holds;
};
std::vector<InterferenceBar> interference_bars(std::span<const InterferenceRow> rows);

// The bars that were missed, each in words; not those of which nobody can say.
std::vector<std::string> missed_among(std::span<const InterferenceBar> bars);

// The time to the first token that chunked prefill has at this median gap, from the chunked rows measured, by the
// logarithm of the gap between two of them. Below their smallest gap, that one's; above their largest, nothing.
std::optional<double> chunked_ttft_at(std::span<const InterferenceRow> rows, double gap);

std::string to_table(std::span<const InterferenceRow> rows, std::span<const InterferenceBar> bars);
boost::json::array rows_json(std::span<const InterferenceRow> rows);
boost::json::array bars_json(std::span<const InterferenceBar> bars);

}  // namespace hone::cli
