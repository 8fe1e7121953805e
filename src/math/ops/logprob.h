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

// log_normaliser of every row; logits [T, V], out [T].
void log_normalisers(OpContext& context, MatrixView<const float> logits, float temperature,
                     std::span<LogNormaliser> out);

// The gradient of the logits [T, V] in their place (they are large; this replaces instead of adding): with the rows'
// normalisers, targets [T, K] and the gradients dlogprobs [T, K] of their log-probabilities, z_v = (sum of dlogprobs_k
// where targets_k = v) / temperature - exp(logp_v) * (sum of all dlogprobs_k / temperature), k ascending. A row whose
// dlogprobs are all 0 becomes 0 and is not read.
void logprobs_backward(OpContext& context, std::span<const LogNormaliser> normalisers,
                       MatrixView<const int32_t> targets, MatrixView<const float> dlogprobs, MatrixView<float> logits);

// The same from the gradients of the log-probabilities of all tokens, dlogprobs [T, V] (a divergence between
// distributions); their sum over chunks of 1024 as for the normaliser. dlogprobs may not be the logits.
void all_logprobs_backward(OpContext& context, std::span<const LogNormaliser> normalisers,
                           MatrixView<const float> dlogprobs, MatrixView<float> logits);

}  // namespace hone::math
