// Distributions of prompt and output lengths, in tokens. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/rng.h"

namespace hone::cli {

class Lengths {
  public:
    // "512" (always), "100-900" (uniform), "lognormal:MEAN:SIGMA" (sigma of the logarithm; at most 32768 tokens),
    // "sharegpt" and "arxiv" (prompts as published, see lengths.cpp), "sharegpt-output", "arxiv-output".
    static Result<Lengths> named(const std::string& name);

    int32_t draw(Random& random) const;

  private:
    struct Quantile {
        double share, tokens;  // ascending in both
    };
    Lengths() = default;
    static Lengths lognormal(double mean, double sigma, int32_t least, int32_t most);
    static Lengths quantiles(std::vector<Quantile> points);

    double log_mean_ = 0, sigma_ = 0;
    int32_t least_ = 1, most_ = 1;
    bool is_lognormal_ = false;
    std::vector<Quantile> quantiles_;
};

}  // namespace hone::cli
