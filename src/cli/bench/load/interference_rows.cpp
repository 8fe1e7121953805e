#include "cli/bench/load/interference_rows.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "cli/bench/foreign_load.h"
#include "cli/bench/report.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

constexpr double kMostGap = 2.5;        // times the undisturbed median
constexpr double kMostTtft = 1.5;       // times the idle one, beside the decode work
constexpr double kMostOpenTtft = 1.05;  // times the idle one, where no gap is asked for

bool is_chunked(const InterferenceRow& row) {
    return row.policy.name.starts_with("chunked");
}

bool is_void(const InterferenceRow& row) {
    return row.is_void.value_or(false);
}

InterferenceBar bar_of(const InterferenceRow& row, std::string bar, double value, double limit) {
    InterferenceBar out{.policy = row.policy.name, .bar = std::move(bar), .value = value, .limit = limit};
    if (!is_void(row)) out.holds = value <= limit;
    return out;
}

json::value or_null(const std::optional<bool>& claim) {
    return claim ? json::value(*claim) : json::value(nullptr);
}

}  // namespace

Result<InterferencePolicy> interference_policy(const std::string& name) {
    constexpr std::string_view kChunked = "chunked-", kLayered = "layered-", kAuto = "auto-", kAs = "auto-as-";
    if (name == "layered" || name == "auto") return InterferencePolicy{.name = name, .flags = {"--prefill", name}};
    if (name.starts_with(kChunked) || name.starts_with(kLayered)) {
        int budget = 0;
        const size_t dash = name.find('-');
        const char* const end_of_name = name.data() + name.size();
        const auto [end, failure] = std::from_chars(name.data() + dash + 1, end_of_name, budget);
        if (failure == std::errc() && end == end_of_name && budget > 0)
            return InterferencePolicy{
                .name = name, .flags = {"--prefill", name.substr(0, dash), "--token-budget", std::to_string(budget)}};
    } else if (name.starts_with(kAs)) {
        if (name.size() > kAs.size())
            return InterferencePolicy{.name = name, .flags = {"--prefill", "auto"}, .gap_of = name.substr(kAs.size())};
    } else if (name.starts_with(kAuto) && name.size() > kAuto.size()) {
        return InterferencePolicy{.name = name,
                                  .flags = {"--prefill", "auto", "--token-gap", name.substr(kAuto.size())}};
    }
    return error(
        "--policies: '{}' is none; give chunked-TOKENS, layered, layered-TOKENS, auto, auto-GAP (2x, 80ms or off, as "
        "hone serve "
        "--token-gap) or auto-as-POLICY (the gap that POLICY, named before, gave in this run)",
        name);
}

StreamGaps stream_gaps(std::span<const StreamRecord* const> streams, std::initializer_list<TimeWindow> windows) {
    StreamGaps out;
    std::vector<double> gaps;
    double pieces = 0, seconds = 0;
    for (const TimeWindow& window : windows) {
        seconds += std::max(0.0, window.end - window.begin);
        for (const StreamRecord* stream : streams) {
            const std::vector<double>& at = stream->arrivals;
            for (size_t i = 1; i < at.size(); i++) {
                if (at[i] > window.begin && at[i - 1] < window.end) gaps.push_back(at[i] - at[i - 1]);
                if (at[i] > window.begin && at[i] <= window.end) pieces++;
            }
        }
    }
    out.gaps = spread_over(std::move(gaps));
    if (seconds > 0) out.tokens_per_second = pieces / seconds;
    if (!streams.empty()) out.steps = pieces / static_cast<double>(streams.size());
    return out;
}

std::optional<double> chunked_ttft_at(std::span<const InterferenceRow> rows, double gap) {
    struct Point {
        double gap, ttft;
    };
    std::vector<Point> points;
    for (const InterferenceRow& row : rows)
        if (is_chunked(row) && !is_void(row)) points.push_back({row.during.gaps.p50, row.ttft});
    std::ranges::sort(points, {}, &Point::gap);
    if (points.empty() || gap > points.back().gap) return std::nullopt;
    if (gap <= points.front().gap) return points.front().ttft;
    const auto high = std::ranges::lower_bound(points, gap, {}, &Point::gap);
    const Point &a = *(high - 1), &b = *high;
    return a.ttft + (b.ttft - a.ttft) * std::log(gap / a.gap) / std::log(b.gap / a.gap);
}

std::vector<InterferenceBar> interference_bars(std::span<const InterferenceRow> rows) {
    std::vector<InterferenceBar> bars;
    for (const InterferenceRow& row : rows) {
        const std::string& name = row.policy.name;
        if (name == "auto") {
            bars.push_back(bar_of(row, "longest gap <= 2.5 undisturbed median gaps, ms", 1e3 * row.during.gaps.max,
                                  1e3 * kMostGap * row.undisturbed.gaps.p50));
            bars.push_back(bar_of(row, "first token <= 1.5 x idle + decode work, s", row.ttft,
                                  kMostTtft * row.idle_ttft + row.decode_work()));
        }
        if (name == "auto-off")
            bars.push_back(bar_of(row, "first token <= 1.05 x idle, s", row.ttft, kMostOpenTtft * row.idle_ttft));
        const bool is_compared = name.starts_with("layered") || (name.starts_with("auto") && name != "auto-off");
        const auto chunked = chunked_ttft_at(rows, row.during.gaps.p50);
        if (is_compared && chunked)
            bars.push_back(
                bar_of(row, "first token before that of chunked at the same median gap, s", row.ttft, *chunked));
    }
    return bars;
}

std::vector<std::string> missed_among(std::span<const InterferenceBar> bars) {
    std::vector<std::string> missed;
    for (const InterferenceBar& bar : bars) {
        if (bar.holds.value_or(true)) continue;
        missed.push_back(
            fmt::format("{}: {}: {} of {}", bar.policy, bar.bar, format_value(bar.value), format_value(bar.limit)));
    }
    return missed;
}

std::string to_table(std::span<const InterferenceRow> rows, std::span<const InterferenceBar> bars) {
    std::string table = fmt::format("{:<24}{:>12}{:>10}{:>10}{:>10}{:>9}{:>10}{:>10}{:>10}{:>11}\n", "", "undisturbed",
                                    "gap p50", "p99", "max", "max of", "TTFT", "idle", "decode", "streams");
    table += fmt::format("{:<24}{:>12}{:>10}{:>10}{:>10}{:>9}{:>10}{:>10}{:>10}{:>11}\n", "policy", "gap p50, ms", "ms",
                         "ms", "ms", "undist.", "s", "TTFT, s", "work, s", "tokens/s");
    for (const InterferenceRow& row : rows) {
        const LatencySpread& gaps = row.during.gaps;
        const double quiet = row.undisturbed.gaps.p50;
        table += fmt::format("{:<24}{:>12}{:>10}{:>10}{:>10}{:>8.2f}x{:>10}{:>10}{:>10}{:>11}{}\n", row.policy.name,
                             format_value(1e3 * quiet), format_value(1e3 * gaps.p50), format_value(1e3 * gaps.p99),
                             format_value(1e3 * gaps.max), quiet > 0 ? gaps.max / quiet : 0, format_value(row.ttft),
                             format_value(row.idle_ttft), format_value(row.decode_work()),
                             format_value(row.during.tokens_per_second), is_void(row) ? "  VOID" : "");
    }
    table += "\n";
    for (const InterferenceBar& bar : bars) {
        const char* const verdict = !bar.holds ? "unknown (VOID)" : *bar.holds ? "holds" : "MISSED";
        table += fmt::format("{:<24}{}: {} of {}: {}\n", bar.policy, bar.bar, format_value(bar.value),
                             format_value(bar.limit), verdict);
    }
    if (std::ranges::any_of(rows, [](const InterferenceRow& row) { return is_void(row); }))
        table += fmt::format(
            "\nVOID: others took more than {:.0f} % of the CPUs in every attempt; measure it again on a quiet "
            "machine.\n",
            100 * kForeignShare);
    return table;
}

json::array rows_json(std::span<const InterferenceRow> rows) {
    json::array out;
    for (const InterferenceRow& row : rows)
        out.push_back({{"policy", row.policy.name},
                       {"flags", fmt::format("{}", fmt::join(row.policy.flags, " "))},
                       {"undisturbed_gap_p50_ms", 1e3 * row.undisturbed.gaps.p50},
                       {"undisturbed_gap_max_ms", 1e3 * row.undisturbed.gaps.max},
                       {"undisturbed_tok_s", row.undisturbed.tokens_per_second},
                       {"gap_p50_ms", 1e3 * row.during.gaps.p50},
                       {"gap_p99_ms", 1e3 * row.during.gaps.p99},
                       {"gap_max_ms", 1e3 * row.during.gaps.max},
                       {"ttft_s", row.ttft},
                       {"idle_ttft_s", row.idle_ttft},
                       {"streams_tok_s", row.during.tokens_per_second},
                       {"decode_steps", row.during.steps},
                       {"decode_work_s", row.decode_work()},
                       {"attempts", row.attempts},
                       {"void", or_null(row.is_void)}});
    return out;
}

json::array bars_json(std::span<const InterferenceBar> bars) {
    json::array out;
    for (const InterferenceBar& bar : bars)
        out.push_back({{"policy", bar.policy},
                       {"bar", bar.bar},
                       {"value", bar.value},
                       {"limit", bar.limit},
                       {"holds", or_null(bar.holds)}});
    return out;
}

}  // namespace hone::cli
