// What a load run shows, as `vllm bench serve` and the paper on layered prefill define it: throughput, times to the
// first token, gaps, times a token, whole answers, and the share of requests that meet targets. Pure functions, any
// thread.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/bench/load/load_run.h"

namespace hone::cli {

// Of some values; all 0 of none. Percentiles are interpolated between the two nearest values, as numpy does.
struct LatencySpread {
    size_t count = 0;
    double mean = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
};
LatencySpread spread_over(std::vector<double> values);
// `part` in [0, 1]; the values ascend, and there is at least one.
double percentile(std::span<const double> sorted, double part);
boost::json::object to_milliseconds(const LatencySpread& seconds);

// Most seconds to the first token, and from any token to the next; nothing: any time will do.
struct LatencyTargets {
    std::optional<double> ttft, gap;

    bool are_met(double first_token_seconds, double longest_gap) const {
        return (!ttft || first_token_seconds <= *ttft) && (!gap || longest_gap <= *gap);
    }
};
boost::json::object to_milliseconds(const LatencyTargets& targets);
// Whether the request succeeded, its first token came in time, and so did every piece after it.
bool meets(const StreamRecord& record, const LatencyTargets& targets);

struct LoadSummary {
    int64_t successful = 0, failed = 0;
    // Failures by HTTP status, 0 for those without, with the message of the first of each.
    struct Failure {
        int64_t count = 0;
        std::string message;
    };
    std::map<int, Failure> failures;
    double seconds = 0;
    int64_t input_tokens = 0, output_tokens = 0, cached_tokens = 0;  // of successful requests
    // Seconds. ttft: sending (the connection included) to the first piece. gap: between pieces. tpot: of a request, its
    // time after the first token over the tokens after the first. e2e: sending to the end. late: due to sent.
    LatencySpread ttft, gap, tpot, e2e, late;
    std::optional<double> goodput;  // share of all requests that meet the targets; nothing without targets
};

LoadSummary summarise(const LoadRun& run, const LatencyTargets& targets);

std::string to_table(const LoadSummary& summary, const LatencyTargets& targets);
// Times in milliseconds.
boost::json::object to_json(const LoadSummary& summary, const LatencyTargets& targets);
// One object a request: arrival and sent in seconds from the start; ttft, gaps and e2e in milliseconds.
boost::json::array requests_json(const LoadRun& run);

}  // namespace hone::cli
