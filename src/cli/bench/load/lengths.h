// How many tokens the prompts and the answers of a load have: fixed, drawn from a distribution, or like those of a
// published workload. Values; free functions, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "base/rng.h"

namespace hone::cli {

enum class LengthOf : uint8_t { prompt, output };

class LengthDistribution {
  public:
    // "512"; "100-200" (uniform, both included); "lognormal:MEAN,P50"; "exponential:MEAN"; or a published workload,
    // whose prompts and outputs differ: "sharegpt", "arxiv". The error says what is wrong with the text.
    static Result<LengthDistribution> parse(std::string_view text, LengthOf what);

    // At least 1.
    int32_t draw(Random& random) const;
    double mean() const;

  private:
    struct Uniform {
        int32_t least, most;
    };
    struct LogNormal {
        double median, sigma;
    };
    struct Exponential {
        double mean;
    };
    // Known quantiles, ascending from 0 to 1; between two of them the logarithm is linear.
    struct Quantile {
        double part, tokens;
    };
    using Quantiles = std::array<Quantile, 5>;
    using Kind = std::variant<Uniform, LogNormal, Exponential, Quantiles>;

    explicit LengthDistribution(Kind kind) : kind_(kind) {}
    static Result<LengthDistribution> published(std::string_view name, LengthOf what);
    static LengthDistribution log_normal(double mean, double p50);
    static double quantile(const Quantiles& known, double part);

    Kind kind_;
};

}  // namespace hone::cli
