#include "cli/bench/load/lengths.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace hone::cli {
namespace {

constexpr double kMostTokens = 1 << 24;

// A number that is the whole text, in [1, kMostTokens].
std::optional<double> length_in(std::string_view text) {
    double number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (!(number >= 1 && number <= kMostTokens)) return std::nullopt;
    return number;
}

std::optional<int32_t> count_in(std::string_view text) {
    const auto number = length_in(text);
    if (!number || *number != std::floor(*number)) return std::nullopt;
    return static_cast<int32_t>(*number);
}

}  // namespace

Result<LengthDistribution> LengthDistribution::parse(std::string_view text, LengthOf what) {
    const auto wrong = [&] {
        return error(
            "'{}' is no length: give a number of tokens (512), a range (100-200), lognormal:MEAN,P50 with MEAN above "
            "P50, exponential:MEAN, sharegpt or arxiv",
            text);
    };
    if (text == "sharegpt" || text == "arxiv") return published(text, what);
    if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
        const std::string_view name = text.substr(0, colon), numbers = text.substr(colon + 1);
        const size_t comma = numbers.find(',');
        const bool has_comma = comma != std::string_view::npos;
        const double mean = length_in(numbers.substr(0, comma)).value_or(0);
        const double p50 = has_comma ? length_in(numbers.substr(comma + 1)).value_or(0) : 0;
        if (name == "exponential" && mean > 0 && !has_comma) return LengthDistribution(Exponential{mean});
        if (name != "lognormal" || !(p50 > 0 && mean > p50)) return wrong();
        return log_normal(mean, p50);
    }
    const size_t dash = text.find('-');
    const auto least = count_in(text.substr(0, dash));
    const auto most = dash == std::string_view::npos ? least : count_in(text.substr(dash + 1));
    if (!least || !most || *least > *most) return wrong();
    return LengthDistribution(Uniform{*least, *most});
}

// Of a log-normal distribution, mean = median * exp(sigma^2 / 2).
LengthDistribution LengthDistribution::log_normal(double mean, double p50) {
    return LengthDistribution(LogNormal{p50, std::sqrt(2 * std::log(mean / p50))});
}

// The workloads of layered prefill (arXiv 2510.08055) as far as they are published. ShareGPT's trace: prompt mean 2340,
// p50 1730, p90 5696, p99 7433, output mean 439. arXiv: prompt mean 9200; the output's mean of 193 follows from the
// published times of whole answers, of first tokens and of tokens. Nothing is published of what lies below ShareGPT's
// median (the shortest is chosen so that the mean is right), of the shape of its outputs, nor of arXiv's spread, for
// which a P50 14 % below the mean stands.
Result<LengthDistribution> LengthDistribution::published(std::string_view name, LengthOf what) {
    if (name == "arxiv") return what == LengthOf::prompt ? log_normal(9200, 7900) : log_normal(193, 166);
    if (what == LengthOf::output) return LengthDistribution(Exponential{439});
    return LengthDistribution(Quantiles{{{0, 182}, {0.5, 1730}, {0.9, 5696}, {0.99, 7433}, {1, 8192}}});
}

double LengthDistribution::quantile(const Quantiles& known, double part) {
    size_t next = 1;
    while (next + 1 < known.size() && known[next].part < part) next++;
    const Quantile &low = known[next - 1], &high = known[next];
    return low.tokens * std::pow(high.tokens / low.tokens, (part - low.part) / (high.part - low.part));
}

int32_t LengthDistribution::draw(Random& random) const {
    double tokens = 0;
    if (const auto* uniform = std::get_if<Uniform>(&kind_)) {
        const auto count = static_cast<uint64_t>(uniform->most - uniform->least) + 1;
        return uniform->least + static_cast<int32_t>(random.below(count));
    } else if (const auto* log_normal = std::get_if<LogNormal>(&kind_)) {
        tokens = log_normal->median * std::exp(log_normal->sigma * static_cast<double>(random.normal()));
    } else if (const auto* exponential = std::get_if<Exponential>(&kind_)) {
        tokens = -exponential->mean * std::log1p(-random.uniform());
    } else {
        tokens = quantile(std::get<Quantiles>(kind_), random.uniform());
    }
    return static_cast<int32_t>(std::lround(std::clamp(tokens, 1.0, kMostTokens)));
}

double LengthDistribution::mean() const {
    if (const auto* uniform = std::get_if<Uniform>(&kind_)) return 0.5 * uniform->least + 0.5 * uniform->most;
    if (const auto* log_normal = std::get_if<LogNormal>(&kind_))
        return log_normal->median * std::exp(log_normal->sigma * log_normal->sigma / 2);
    if (const auto* exponential = std::get_if<Exponential>(&kind_)) return exponential->mean;
    const Quantiles& known = std::get<Quantiles>(kind_);
    double sum = 0;  // of the integral of a * (b/a)^x over each part
    for (size_t i = 1; i < known.size(); i++) {
        const double a = known[i - 1].tokens, b = known[i].tokens;
        sum += (known[i].part - known[i - 1].part) * (b - a) / std::log(b / a);
    }
    return sum;
}

}  // namespace hone::cli
