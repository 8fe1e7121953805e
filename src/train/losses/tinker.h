// The losses of Tinker's API by their names, formulas, parameters and defaults (tinker-docs, "Loss functions"): sums
// over tokens without any normalisation, to be minimised. lp: log-probability of the target under the weights being
// trained; q: the one recorded when the token was sampled; A: its advantage; r = exp(lp - q); sg: no gradient through
// it. A token with A = 0 is unused: its ratio is never formed and its q is not read. Pure functions, any thread.
#pragma once

#include "math/kernels/kernel_table.h"
#include "train/losses/token_loss.h"

namespace hone::train {

// One value for all tokens, or one each.
class PerToken {
  public:
    PerToken(float value) : value_(value) {}
    PerToken(std::span<const float> values) : values_(values) {}
    float operator[](size_t i) const { return values_.empty() ? value_ : values_[i]; }

  private:
    float value_ = 0;
    std::span<const float> values_;
};

// One value a token in each.
struct RatioInputs {
    std::span<const float> lp, q, advantages;
};

struct PpoConfig {
    PerToken clip_low_threshold = 0.8f, clip_high_threshold = 1.2f;
};
struct CispoConfig {
    PerToken clip_low_threshold = 0.0f, clip_high_threshold = 4.0f;
};
// Tinker gives no default; 0.05 is the example of its documentation.
struct DroConfig {
    float beta = 0.05f;
};

// -w lp; for targets (N, K) the spans hold N * K values. Weights of any sign; where w = 0, lp is not read.
TokenLoss cross_entropy(std::span<const float> lp, std::span<const float> weights);

// -r A
TokenLoss importance_sampling(const math::KernelTable& kernels, const RatioInputs& in);

// -min(r A, clip(r) A)
TokenLoss ppo(const math::KernelTable& kernels, const RatioInputs& in, const PpoConfig& config = {});

// -sg(clip(r)) A lp
TokenLoss cispo(const math::KernelTable& kernels, const RatioInputs& in, const CispoConfig& config = {});

// -(A lp - beta/2 (lp - q)^2), over every position, as documented. dro_masked takes a position with A = 0 and q = 0 (a
// prompt's) for unused; the documented sum charges it beta/2 lp^2.
TokenLoss dro(const RatioInputs& in, const DroConfig& config = {});
TokenLoss dro_masked(const RatioInputs& in, const DroConfig& config = {});

// GSPO-token (Zheng et al. 2025): as ppo, every token with the ratio of its document and a gradient of its own,
// r = exp(sg(mean of lp - q over the tokens whose mask is not 0) + lp - sg(lp)). Tinker publishes no thresholds; these
// are ppo's.
TokenLoss gspo(const math::KernelTable& kernels, const RatioInputs& in, std::span<const float> sequence_ratio_mask,
               Offsets offsets, const PpoConfig& config = {});

}  // namespace hone::train
