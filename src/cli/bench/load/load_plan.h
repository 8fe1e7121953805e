// What an open-loop load asks for and when: arrivals, lengths and prompts, all functions of the options and a seed, so
// that two servers, or one server twice, are asked the same. Arrivals, lengths and tokens are drawn apart: another rate
// changes no prompt. One thread.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "cli/bench/load/lengths.h"

namespace hone::cli {

struct LoadOptions {
    LengthDistribution prompt, output;
    double rate = std::numeric_limits<double>::infinity();  // requests a second; infinite: all at once
    double burstiness = 1;      // shape of the gamma distribution of the time between arrivals; 1: a Poisson process
    int32_t prefixes = 0;       // distinct beginnings, of which each prompt has one; 0: none
    int32_t prefix_tokens = 0;  // of each, beside the prompt's own
    int32_t vocabulary = 32000;
    int32_t context = 0;  // most tokens of a request, answer included: longer ones are drawn again; 0: not known
    uint64_t seed = 1;
};

struct PlannedRequest {
    int64_t index = 0;
    double arrival = 0;                            // seconds from the start
    int32_t prefix = -1;                           // which beginning; -1: none
    int32_t prompt_tokens = 0, output_tokens = 0;  // that of the beginning included
};

class LoadPlan {
  public:
    // The error names the option that asks for what cannot be.
    static Result<LoadPlan> create(const LoadOptions& options);

    PlannedRequest next();  // without end; arrivals ascend
    // Token ids of the whole prompt. The lowest ids, which control generation in most vocabularies, are left out.
    std::vector<int32_t> tokens(const PlannedRequest& request) const;
    // About as many tokens of ordinary words: one word a token in most vocabularies.
    std::string text(const PlannedRequest& request) const;

  private:
    explicit LoadPlan(const LoadOptions& options);
    bool draw_lengths(PlannedRequest& request);
    int32_t shared_tokens() const { return options_.prefixes > 0 ? options_.prefix_tokens : 0; }

    LoadOptions options_;
    Random arrivals_, lengths_;
    std::gamma_distribution<double> gaps_;
    int64_t next_index_ = 0;
    double last_arrival_ = 0;
};

// Random token ids for a prompt of so many, as a plan draws them.
std::vector<int32_t> random_tokens(Random& random, int64_t count, int32_t vocabulary);

}  // namespace hone::cli
