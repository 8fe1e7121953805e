#include "cli/bench/load/load_summary.h"

#include <algorithm>
#include <numeric>

#include "cli/bench/report.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

// The server's count where it tells, ours otherwise.
int64_t prompt_tokens(const LoadedRequest& request) {
    return request.record.prompt_tokens >= 0 ? request.record.prompt_tokens : request.planned.prompt_tokens;
}

json::value count_or_null(int64_t count) {
    return count >= 0 ? json::value(count) : json::value(nullptr);
}

double rate(int64_t amount, double seconds) {
    return seconds > 0 ? static_cast<double>(amount) / seconds : 0;
}

std::string row(const char* name, const LatencySpread& spread) {
    std::string text = fmt::format("{:<28}", name);
    for (const double seconds : {spread.mean, spread.p50, spread.p90, spread.p99, spread.max})
        text += fmt::format(" {:>9}", spread.count > 0 ? format_value(1e3 * seconds) : "-");
    return text + "\n";
}

std::string failure_name(int status) {
    return status == 0 ? "no answer" : fmt::format("status {}", status);
}

}  // namespace

double percentile(std::span<const double> sorted, double part) {
    const double place = part * static_cast<double>(sorted.size() - 1);
    const auto low = static_cast<size_t>(place);
    const size_t high = std::min(low + 1, sorted.size() - 1);
    return sorted[low] + (place - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

LatencySpread spread_over(std::vector<double> values) {
    if (values.empty()) return {};
    std::ranges::sort(values);
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    return {.count = values.size(),
            .mean = sum / static_cast<double>(values.size()),
            .p50 = percentile(values, 0.5),
            .p90 = percentile(values, 0.9),
            .p99 = percentile(values, 0.99),
            .max = values.back()};
}

json::object to_milliseconds(const LatencySpread& seconds) {
    return {{"mean", 1e3 * seconds.mean},
            {"p50", 1e3 * seconds.p50},
            {"p90", 1e3 * seconds.p90},
            {"p99", 1e3 * seconds.p99},
            {"max", 1e3 * seconds.max}};
}

json::object to_milliseconds(const LatencyTargets& targets) {
    const auto value = [](const std::optional<double>& seconds) {
        return seconds ? json::value(1e3 * *seconds) : json::value(nullptr);
    };
    return {{"ttft", value(targets.ttft)}, {"gap", value(targets.gap)}};
}

bool meets(const StreamRecord& record, const LatencyTargets& targets) {
    if (!record.succeeded() || record.arrivals.empty()) return false;
    const std::vector<double> gaps = record.gaps();
    return targets.are_met(record.first_token_seconds(), gaps.empty() ? 0 : std::ranges::max(gaps));
}

LoadSummary summarise(const LoadRun& run, const LatencyTargets& targets) {
    LoadSummary summary{.seconds = run.ended - run.started};
    std::vector<double> ttft, gaps, tpot, e2e, late;
    int64_t good = 0;
    for (const LoadedRequest& request : run.requests) {
        const StreamRecord& record = request.record;
        late.push_back(run.late_seconds(request));
        if (!record.succeeded()) {
            summary.failed++;
            LoadSummary::Failure& failure = summary.failures[record.status == 200 ? 0 : record.status];
            if (failure.count++ == 0) failure.message = record.error;
            continue;
        }
        summary.successful++;
        summary.input_tokens += prompt_tokens(request);
        summary.output_tokens += record.output_tokens();
        summary.cached_tokens += std::max<int64_t>(record.cached_tokens, 0);
        good += meets(record, targets);
        e2e.push_back(record.seconds());
        if (record.arrivals.empty()) continue;
        ttft.push_back(record.first_token_seconds());
        const std::vector<double> own = record.gaps();
        gaps.insert(gaps.end(), own.begin(), own.end());
        if (record.output_tokens() > 1)
            tpot.push_back((record.arrivals.back() - record.arrivals.front()) /
                           static_cast<double>(record.output_tokens() - 1));
    }
    summary.ttft = spread_over(std::move(ttft));
    summary.gap = spread_over(std::move(gaps));
    summary.tpot = spread_over(std::move(tpot));
    summary.e2e = spread_over(std::move(e2e));
    summary.late = spread_over(std::move(late));
    if ((targets.ttft || targets.gap) && !run.requests.empty())
        summary.goodput = static_cast<double>(good) / static_cast<double>(run.requests.size());
    return summary;
}

std::string to_table(const LoadSummary& summary, const LatencyTargets& targets) {
    std::string table = fmt::format("{} requests succeeded, {} failed, in {:.2f} s\n", summary.successful,
                                    summary.failed, summary.seconds);
    for (const auto& [status, failure] : summary.failures)
        table += fmt::format("  {} times {}: {}\n", failure.count, failure_name(status), failure.message);
    if (summary.successful == 0) return table;
    table += fmt::format(
        "{:.2f} requests/s; input {:.1f} tokens/s ({} tokens, {} of them cached); output {:.1f} tokens/s ({})\n",
        rate(summary.successful, summary.seconds), rate(summary.input_tokens, summary.seconds), summary.input_tokens,
        summary.cached_tokens, rate(summary.output_tokens, summary.seconds), summary.output_tokens);
    if (summary.goodput) {
        std::string said;
        if (targets.ttft) said += fmt::format("first token within {} ms", format_value(1e3 * *targets.ttft));
        if (targets.gap)
            said += fmt::format("{}every gap within {} ms", said.empty() ? "" : ", ", format_value(1e3 * *targets.gap));
        table += fmt::format("goodput: {:.1f} % of the requests, {:.2f} requests/s ({})\n", 100 * *summary.goodput,
                             *summary.goodput * rate(summary.successful + summary.failed, summary.seconds), said);
    }
    table += fmt::format("\n{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "ms", "mean", "p50", "p90", "p99", "max");
    table += row("time to first token", summary.ttft);
    table += row("gap between tokens", summary.gap);
    table += row("time per token after it", summary.tpot);
    table += row("whole answer", summary.e2e);
    table += row("sent after it was due", summary.late);
    return table;
}

json::object to_json(const LoadSummary& summary, const LatencyTargets& targets) {
    json::array failures;
    for (const auto& [status, failure] : summary.failures)
        failures.push_back({{"status", status}, {"count", failure.count}, {"message", failure.message}});
    return {{"successful", summary.successful},
            {"failed", summary.failed},
            {"failures", failures},
            {"duration_s", summary.seconds},
            {"input_tokens", summary.input_tokens},
            {"cached_tokens", summary.cached_tokens},
            {"output_tokens", summary.output_tokens},
            {"requests_per_s", rate(summary.successful, summary.seconds)},
            {"input_tokens_per_s", rate(summary.input_tokens, summary.seconds)},
            {"output_tokens_per_s", rate(summary.output_tokens, summary.seconds)},
            {"ttft_ms", to_milliseconds(summary.ttft)},
            {"gap_ms", to_milliseconds(summary.gap)},
            {"tpot_ms", to_milliseconds(summary.tpot)},
            {"e2e_ms", to_milliseconds(summary.e2e)},
            {"late_ms", to_milliseconds(summary.late)},
            {"goodput", summary.goodput ? json::value(*summary.goodput) : json::value(nullptr)},
            {"targets_ms", to_milliseconds(targets)}};
}

json::array requests_json(const LoadRun& run) {
    json::array requests;
    for (const LoadedRequest& request : run.requests) {
        const StreamRecord& record = request.record;
        json::array gaps;
        for (const double gap : record.gaps()) gaps.push_back(1e3 * gap);
        const bool has_output = !record.arrivals.empty();
        requests.push_back(
            {{"arrival", request.planned.arrival},
             {"sent", record.sent - run.started},
             {"status", record.status},
             {"error", record.error},
             {"prompt_tokens", prompt_tokens(request)},
             {"cached_tokens", count_or_null(record.cached_tokens)},
             {"output_tokens", record.output_tokens()},
             {"ttft_ms", has_output ? json::value(1e3 * record.first_token_seconds()) : json::value(nullptr)},
             {"gaps_ms", std::move(gaps)},
             {"e2e_ms", 1e3 * record.seconds()}});
    }
    return requests;
}

}  // namespace hone::cli
