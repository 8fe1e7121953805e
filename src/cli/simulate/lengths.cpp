#include "cli/simulate/lengths.h"

#include <charconv>
#include <cmath>

namespace hone::cli {
namespace {

constexpr int32_t kLongest = 32768;
constexpr int kAttempts = 64;  // to draw a length within the bounds

// All of `text` as a number.
template <class Number>
bool parse(std::string_view text, Number& number) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failure == std::errc() && end == text.data() + text.size();
}

}  // namespace

// The mean is that of the whole distribution; draws beyond the bounds are repeated.
Lengths Lengths::lognormal(double mean, double sigma, int32_t least, int32_t most) {
    Lengths lengths;
    lengths.is_lognormal_ = true;
    lengths.log_mean_ = std::log(mean) - sigma * sigma / 2;
    lengths.sigma_ = sigma;
    lengths.least_ = least;
    lengths.most_ = most;
    return lengths;
}

// Between two of them the logarithm of the length is linear in the share.
Lengths Lengths::quantiles(std::vector<Quantile> points) {
    Lengths lengths;
    lengths.quantiles_ = std::move(points);
    return lengths;
}

// ShareGPT: of the 30,731 lengths that the layered prefill experiments used, mean 2340, p50 1730, p90 5696, p99 7433 and
// the mean output 439 are published; the shortest is chosen here so that the mean is right, the longest is the limit of
// those experiments' conversations. arXiv: mean prompt about 9.2k published; about 195 generated tokens follow from the
// published times of a whole request, its first token and the gap between tokens. The spreads (sigma) are assumed.
Result<Lengths> Lengths::named(const std::string& name) {
    if (name == "sharegpt") return quantiles({{0, 182}, {0.5, 1730}, {0.9, 5696}, {0.99, 7433}, {1, 8192}});
    if (name == "sharegpt-output") return lognormal(439, 0.8, 1, 8192);
    if (name == "arxiv") return lognormal(9200, 0.55, 512, kLongest - 2048);
    if (name == "arxiv-output") return lognormal(195, 0.4, 16, 2048);
    if (name.starts_with("lognormal:")) {
        const std::string_view rest = std::string_view(name).substr(10);
        const size_t colon = rest.find(':');
        double mean = 0, sigma = 0;
        if (colon != rest.npos && parse(rest.substr(0, colon), mean) && parse(rest.substr(colon + 1), sigma) &&
            mean >= 1 && mean <= kLongest && sigma >= 0 && sigma <= 3) {
            return lognormal(mean, sigma, 1, kLongest);
        }
    }
    Lengths uniform;
    const size_t dash = name.find('-');
    const std::string_view least = std::string_view(name).substr(0, dash);
    const std::string_view most = dash == name.npos ? least : std::string_view(name).substr(dash + 1);
    if (parse(least, uniform.least_) && parse(most, uniform.most_) && uniform.least_ >= 1 &&
        uniform.least_ <= uniform.most_ && uniform.most_ <= (1 << 24)) {
        return uniform;
    }
    return error(
        "'{}' is no length: write 512, 100-900 (uniform), lognormal:MEAN:SIGMA (means to {}, sigma to 3), arxiv or "
        "sharegpt",
        name, kLongest);
}

int32_t Lengths::draw(Random& random) const {
    if (!quantiles_.empty()) {
        const double share = random.uniform();
        size_t upper = 1;
        while (upper + 1 < quantiles_.size() && quantiles_[upper].share <= share) upper++;
        const Quantile &low = quantiles_[upper - 1], &high = quantiles_[upper];
        const double part = (share - low.share) / (high.share - low.share);
        return static_cast<int32_t>(std::lround(low.tokens * std::pow(high.tokens / low.tokens, part)));
    }
    if (!is_lognormal_) return least_ + static_cast<int32_t>(random.below(static_cast<uint64_t>(most_ - least_) + 1));
    for (int i = 0; i < kAttempts; i++) {
        const double tokens = std::exp(log_mean_ + sigma_ * static_cast<double>(random.normal()));
        if (tokens >= least_ && tokens <= most_) return static_cast<int32_t>(std::lround(tokens));
    }
    return least_;
}

}  // namespace hone::cli
