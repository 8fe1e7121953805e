// Draws one token from one row of logits, and tells log-probabilities. A function of (logits, parameters, seed, tokens
// before) alone: the same bits in any batch, on any thread and ISA. One object a thread; keeps its scratch, so a steady
// state allocates nothing but the lists of top log-probabilities.
//
// Order of processing:
//   0. tokens that the request's constraint does not allow are masked; of a single one that it allows nothing is drawn
//   1. penalties over the tokens before: repetition (prompt and output: logit / r if positive, else logit * r), then
//      frequency times count, and presence, are subtracted (output only)
//   2. logit bias is added
//   3. stop ids are masked while fewer than min_tokens are generated, unless the constraint allows nothing else
//   4. temperature (below kGreedyTemperature: the largest logit, lowest index at ties, and nothing below applies)
//   5. min-p: tokens less likely than min_p times the most likely are cut
//   6. top-k: the k largest stay, ties by index
//   7. top-p: of what is left, renormalised, tokens stay in descending order while those before them sum to less than
//      top_p
//   8. inversion: the first token whose cumulative probability exceeds uniform_at(seed, choice, position of the token)
//      times the total; in descending order after a cut, else in order of the vocabulary. Probabilities are fp32,
//      their sums fp64.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/decode/sampling_params.h"
#include "engine/decode/selection.h"
#include "engine/decode/token_record.h"
#include "math/ops/logprob.h"

namespace hone::engine {

struct DrawContext {
    const SamplingParams& params;  // valid
    uint64_t seed = 0;
    std::span<const int32_t> tokens;  // prompt and generated; the drawn token's position is tokens.size()
    int32_t prompt_tokens = 0;
    std::span<const uint64_t> allowed{};  // by the constraint, a bit a token; empty: all
    std::optional<int32_t> forced{};      // by the constraint: as if only this one were allowed
};

class Sampler {
  public:
    // `kernels` outlives the sampler.
    Sampler(const math::KernelTable& kernels, int32_t vocabulary);

    // logits [vocabulary]. raw_logprob, rank and top are set with params.top_logprobs >= 0. processed_logprob is that
    // of the distribution drawn from; 0 for greedy and for the only allowed token, which are certain. Errors: logits
    // that are not finite, no token allowed, every token masked.
    Result<TokenRecord> draw(std::span<const float> logits, const DrawContext& context);
    // A given token under these logits (temperature 1, nothing processed) with the `top` most likely. Errors: not
    // finite.
    Result<TokenRecord> score(std::span<const float> logits, int32_t token, int32_t top);

  private:
    std::span<const float> process(std::span<const float> logits, const DrawContext& context);
    void penalise(const DrawContext& context);
    void mask(std::span<const float> logits, std::span<const uint64_t> allowed);
    int32_t draw_from_all(std::span<const float> logits, const math::LogNormaliser& whole, double uniform);
    size_t cut(std::span<const float> logits, const SamplingParams& params, const math::LogNormaliser& whole);
    void report(std::span<const float> logits, int32_t top, TokenRecord& record);

    const math::KernelTable& kernels_;
    std::vector<float> processed_, weights_, kept_;
    std::vector<int32_t> seen_;  // all 0 between calls
    std::span<const int32_t> order_;
    TopSelection selection_;
};

}  // namespace hone::engine
