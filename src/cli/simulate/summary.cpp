#include "cli/simulate/summary.h"

#include <algorithm>
#include <functional>

namespace hone::cli {
namespace {

// At least three digits.
std::string digits(double value) {
    if (value == 0) return "0";
    return fmt::format("{:.{}f}", value, value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

struct Row {
    std::string name;
    std::function<std::string(const Summary&)> cell;
};

void add_spread(std::vector<Row>& rows, const std::string& name, LatencySpread Summary::*spread, double scale) {
    struct Part {
        const char* name;
        double LatencySpread::*value;
    };
    constexpr Part kParts[] = {{"mean", &LatencySpread::mean},
                               {"p50", &LatencySpread::p50},
                               {"p90", &LatencySpread::p90},
                               {"p99", &LatencySpread::p99},
                               {"max", &LatencySpread::max}};
    for (const Part& part : kParts) {
        rows.push_back(
            {fmt::format("{} {}", part.value == &LatencySpread::mean ? name : std::string(name.size(), ' '), part.name),
             [=](const Summary& summary) { return digits(summary.*spread.*part.value * scale); }});
    }
}

std::vector<Row> rows_of(const LatencyTargets& targets) {
    const auto whole = [](int64_t Summary::*count) {
        return [=](const Summary& summary) { return std::to_string(summary.*count); };
    };
    const auto scaled = [](double Summary::*value, double scale) {
        return [=](const Summary& summary) { return digits(summary.*value * scale); };
    };
    std::vector<Row> rows = {{"requests finished", whole(&Summary::finished)}, {"refused", whole(&Summary::refused)}};
    add_spread(rows, "first token, s", &Summary::first_token, 1);
    add_spread(rows, "token gap, ms", &Summary::gap, 1000);
    add_spread(rows, "last token, s", &Summary::whole, 1);
    rows.push_back(
        {fmt::format("within {} s, {} ms, %", targets.ttft.value_or(kForever), 1000 * targets.gap.value_or(kForever)),
         scaled(&Summary::goodput, 100)});
    rows.push_back({"expert TB for prompts", scaled(&Summary::prompt_expert_bytes, 1e-12)});
    rows.push_back({"expert TB for decoding", scaled(&Summary::decode_expert_bytes, 1e-12)});
    rows.push_back({"prompt tokens/s", scaled(&Summary::prompt_tokens_per_second, 1)});
    rows.push_back({"generated tokens/s", scaled(&Summary::output_tokens_per_second, 1)});
    rows.push_back({"prompt tokens cached, %", scaled(&Summary::cached_share, 100)});
    rows.push_back({"busy, %", scaled(&Summary::busy, 100)});
    rows.push_back({"steps", whole(&Summary::steps)});
    rows.push_back({"prompts stopped early", whole(&Summary::stops)});
    rows.push_back({"preemptions", whole(&Summary::preemptions)});
    rows.push_back({"cost model off by, %", scaled(&Summary::cost_error, 100)});
    return rows;
}

}  // namespace

Summary summarise(std::string policy, const SimulationResult& result, const LatencyTargets& targets) {
    Summary summary{.policy = std::move(policy), .refused = result.refused};
    std::vector<double> first_tokens, wholes;
    int64_t met = 0, prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
    for (const RequestOutcome& request : result.requests) {
        if (request.output_tokens == 0) continue;
        first_tokens.push_back(request.first_token - request.arrival);
        wholes.push_back(request.end - request.arrival);
        met += targets.are_met(first_tokens.back(), request.longest_gap);
        prompt_tokens += request.prompt_tokens;
        cached_tokens += request.cached_tokens;
        output_tokens += request.output_tokens;
    }
    summary.finished = std::ssize(wholes);
    summary.first_token = spread_over(std::move(first_tokens));
    summary.whole = spread_over(std::move(wholes));
    summary.gap = spread_over({result.gaps.begin(), result.gaps.end()});
    const auto share = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
    summary.goodput = share(static_cast<double>(met), static_cast<double>(result.requests.size()));
    summary.cached_share = share(static_cast<double>(cached_tokens), static_cast<double>(prompt_tokens));
    summary.seconds = result.seconds;
    summary.busy = share(result.busy_seconds, result.seconds);
    summary.prompt_tokens_per_second = share(static_cast<double>(prompt_tokens), result.seconds);
    summary.output_tokens_per_second = share(static_cast<double>(output_tokens), result.seconds);
    summary.prompt_expert_bytes = result.prompt_expert_bytes;
    summary.decode_expert_bytes = result.decode_expert_bytes;
    summary.steps = result.steps;
    summary.preemptions = result.preemptions;
    summary.stops = result.stops;
    summary.cost_error = result.cost_error;
    summary.steps_per_minute = share(static_cast<double>(result.steps), result.wall_seconds / 60);
    return summary;
}

std::string to_table(std::span<const Summary> summaries, const LatencyTargets& targets) {
    std::string table = fmt::format("{:<26}", "");
    for (const Summary& summary : summaries) table += fmt::format(" {:>14}", summary.policy);
    table += '\n';
    for (const Row& row : rows_of(targets)) {
        table += fmt::format("{:<26}", row.name);
        for (const Summary& summary : summaries) table += fmt::format(" {:>14}", row.cell(summary));
        table += '\n';
    }
    return table;
}

boost::json::object to_json(const Summary& summary) {
    return {{"policy", summary.policy},
            {"finished", summary.finished},
            {"refused", summary.refused},
            {"ttft_ms", to_milliseconds(summary.first_token)},
            {"gap_ms", to_milliseconds(summary.gap)},
            {"e2e_ms", to_milliseconds(summary.whole)},
            {"goodput", summary.goodput},
            {"seconds", summary.seconds},
            {"busy", summary.busy},
            {"prompt_tokens_per_s", summary.prompt_tokens_per_second},
            {"output_tokens_per_s", summary.output_tokens_per_second},
            {"cached_share", summary.cached_share},
            {"prompt_expert_bytes", summary.prompt_expert_bytes},
            {"decode_expert_bytes", summary.decode_expert_bytes},
            {"steps", summary.steps},
            {"preemptions", summary.preemptions},
            {"stops", summary.stops},
            {"cost_error", summary.cost_error},
            {"steps_per_minute", summary.steps_per_minute}};
}

}  // namespace hone::cli
