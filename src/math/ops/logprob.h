// The one log-probability function, for sampler, scorer and trainer (numerics.md rule 11): z = logits / temperature in
// fp32, vocabulary chunks of 1024 each giving (max, sum of exp(z - max) by the 16-lane rule), merged ascending; logp_v
// = (z_v - m) - log(sum). Independent per row.
#pragma once

#include "math/ops/op_context.h"

namespace hone::math {

// The normaliser of one row of logits at one temperature.
struct LogNormaliser {
    float maximum = 0;
    float log_sum = 0;
    float temperature = 1;  // > 0

    // (logit / temperature - maximum) - log_sum
    float logprob(float logit) const;
};

// logits [V]; temperature > 0.
LogNormaliser log_normaliser(const KernelTable& kernels, std::span<const float> logits, float temperature);

// out[t] = log-probability of targets[t] under row t at temperature 1; logits [T, V], targets in [0, V).
void logprobs(OpContext& context, MatrixView<const float> logits, std::span<const int32_t> targets,
              std::span<float> out);

// out[v] = log-probability of every token of one row.
void all_logprobs(const KernelTable& kernels, std::span<const float> logits, float temperature, std::span<float> out);

}  // namespace hone::math
