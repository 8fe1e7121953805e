#include "cli/eval/eval_report.h"

#include <algorithm>
#include <cmath>

#include <boost/json/serialize.hpp>

#include "cli/eval/json_difference.h"
#include "text/utf8.h"

namespace hone::cli {

namespace json = boost::json;

int64_t SuiteResult::right() const {
    return std::ranges::count_if(outcomes, [](const Outcome& outcome) { return outcome.verdict.right; });
}

int64_t SuiteResult::total() const {
    return perplexity ? perplexity->texts : std::ssize(outcomes);
}

double SuiteResult::score() const {
    return outcomes.empty() ? 0 : static_cast<double>(right()) / static_cast<double>(total());
}

int64_t SuiteResult::tokens() const {
    int64_t tokens = perplexity ? perplexity->tokens : 0;
    for (const Outcome& outcome : outcomes) tokens += outcome.tokens;
    return tokens;
}

double SuiteResult::seconds() const {
    if (outcomes.empty()) return perplexity ? perplexity->seconds : 0;
    return std::ranges::max(outcomes, {}, &Outcome::ended).ended -
           std::ranges::min(outcomes, {}, &Outcome::began).began;
}

std::pair<double, double> wilson_interval(int64_t right, int64_t total) {
    constexpr double z = 1.959963984540054;  // 97.5 % of the normal distribution lie below
    const double n = static_cast<double>(total), share = static_cast<double>(right) / n;
    const double middle = share + z * z / (2 * n);
    const double half = z * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    const double scale = 1 + z * z / n;
    return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

std::string table_of(std::span<const SuiteResult> results) {
    size_t width = 5;
    for (const SuiteResult& result : results) width = std::max(width, result.name.size());
    std::string table;
    if (std::ranges::any_of(results, [](const auto& result) { return !result.perplexity; }))
        table += fmt::format("{:<{}}  {:>13}  {:>8}  {:>16}  {:>9}  {:>8}\n", "suite", width, "right", "score",
                             "95 % interval", "tokens", "time");
    for (const SuiteResult& result : results) {
        if (result.perplexity) continue;
        const auto [low, high] = wilson_interval(result.right(), result.total());
        table += fmt::format("{:<{}}  {:>13}  {:>6.1f} %  {:>5.1f} % - {:>5.1f} %  {:>9}  {:>8}\n", result.name, width,
                             fmt::format("{} of {}", result.right(), result.total()), 100 * result.score(), 100 * low,
                             100 * high, result.tokens(), format_duration(result.seconds()));
    }
    for (const SuiteResult& result : results) {
        if (!result.perplexity) continue;
        const auto bits = result.perplexity->bits_per_byte();
        table += fmt::format("{:<{}}  {} texts, {} tokens: {}perplexity {:.6g}, in {}\n", result.name, width,
                             result.total(), result.tokens(), bits ? fmt::format("{:.5f} bits per byte, ", *bits) : "",
                             result.perplexity->per_token(), format_duration(result.seconds()));
    }
    return table;
}

json::object json_of(std::span<const SuiteResult> results) {
    json::array suites;
    for (const SuiteResult& result : results) {
        json::object suite{{"name", result.name}};
        if (result.perplexity) {
            const auto bits = result.perplexity->bits_per_byte();
            suite["right"] = nullptr;
            suite["total"] = result.total();
            suite["score"] = nullptr;
            suite["bits_per_byte"] = bits ? json::value(*bits) : json::value(nullptr);
            suite["perplexity"] = result.perplexity->per_token();
        } else {
            const auto [low, high] = wilson_interval(result.right(), result.total());
            suite["right"] = result.right();
            suite["total"] = result.total();
            suite["score"] = result.score();
            suite["interval"] = json::array{low, high};
        }
        suite["tokens"] = result.tokens();
        suite["seconds"] = result.seconds();
        suites.push_back(std::move(suite));
    }
    return {{"suites", std::move(suites)}};
}

static std::string calls_text(const Answer& answer) {
    std::string out;
    for (const Call& call : answer.calls)
        out += fmt::format("{}{}({})", out.empty() ? "" : ", ", call.name, call.arguments);
    return out;
}

std::string case_text(const SuiteResult& suite, const Outcome& outcome, const text::Tokenizer& tokenizer) {
    constexpr size_t kTailBytes = 400;
    std::string prompt = tokenizer.decode(outcome.prompt, false);
    if (prompt.size() > kTailBytes) {
        size_t begin = prompt.size() - kTailBytes;
        while (text::is_continuation(prompt[begin])) begin++;
        prompt = "..." + prompt.substr(begin);
    }
    std::string out = fmt::format("{} {} ({}:{})\n", outcome.verdict.right ? "RIGHT" : "WRONG",
                                  fmt::format("{}/{}", suite.name, outcome.test->id), suite.path, outcome.test->line);
    const auto add = [&](std::string_view what, std::string_view text) {
        if (text.empty()) return;
        out += fmt::format("  {:<9}", what);
        for (const char byte : text) out += byte == '\n' ? std::string("\n           ") : std::string(1, byte);
        out += '\n';
    };
    add("because", outcome.verdict.reason);
    add("prompt", prompt);
    add("thinking", outcome.answer.reasoning);
    add("answer",
        outcome.answer.content.empty() && outcome.answer.calls.empty() ? "(nothing)" : outcome.answer.content);
    add("calls", calls_text(outcome.answer));
    add("expected", json_text(outcome.test->check_given));
    return out + "\n";
}

std::string case_lines(const SuiteResult& suite) {
    std::string lines;
    for (const Outcome& outcome : suite.outcomes) {
        json::array calls;
        for (const Call& call : outcome.answer.calls)
            calls.push_back({{"name", call.name}, {"arguments", call.arguments}});
        lines += json::serialize(json::object{{"suite", suite.name},
                                              {"id", outcome.test->id},
                                              {"right", outcome.verdict.right},
                                              {"reason", outcome.verdict.reason},
                                              {"answer", outcome.answer.content},
                                              {"thinking", outcome.answer.reasoning},
                                              {"calls", std::move(calls)},
                                              {"tokens", outcome.tokens},
                                              {"was_cut", outcome.answer.was_cut}});
        lines += '\n';
    }
    return lines;
}

}  // namespace hone::cli
