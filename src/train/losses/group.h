// Losses over groups of sampled answers (GRPO and its kin): a clipped surrogate with or without a KL term, averaged as
// the paper says; each recipe is a row of numbers. Also the parts that such recipes are made of: KL estimators, dual
// clipping, corrections for a sampler that differs from the trainer. Advantages come from train/advantages.h. Pure
// functions, any thread.
#pragma once

#include "train/losses/tinker.h"

namespace hone::train {

// Of x = lp - reference (Schulman 2020): k1 = x, k2 = x^2 / 2, k3 = e^-x - 1 + x. Exactly 0 at x = 0.
enum class KlEstimator { k1, k2, k3 };

// 0, with nothing read, where the mask is 0; an empty mask has every token.
TokenLoss kl_estimate(const math::KernelTable& kernels, KlEstimator estimator, std::span<const float> lp,
                      std::span<const float> reference, std::span<const float> mask = {});

// ppo, where a token with A < 0 costs at most bound |A| (Ye et al. 2020); bound > 1.
TokenLoss dual_clip(const math::KernelTable& kernels, const RatioInputs& in, const PpoConfig& config, float bound = 3);

// Weights for multiply(): w = exp(old - rollout), old being the trainer's log-probability at the weights that sampled
// and rollout the sampler's; 1 where the mask is 0. Truncated importance sampling clamps w, IcePop drops tokens
// outside.
std::vector<float> truncated_importance(const math::KernelTable& kernels, std::span<const float> old,
                                        std::span<const float> rollout, std::span<const float> mask, float low = 0,
                                        float high = 2);
std::vector<float> icepop(const math::KernelTable& kernels, std::span<const float> old, std::span<const float> rollout,
                          std::span<const float> mask, float low = 0.5, float high = 2);

struct GroupBatch {
    RatioInputs tokens;                // advantages 0 outside the mask
    std::span<const float> mask;       // 1 on the tokens of answers that count
    Offsets offsets;                   // of the documents: one answer each, with its prompt
    std::span<const float> reference;  // log-probabilities for the KL term; may be empty without one
};

enum class Surrogate { ppo, gspo, cispo };

struct GroupLoss {
    Surrogate surrogate = Surrogate::ppo;
    float clip_low_threshold = 0.8f, clip_high_threshold = 1.2f;
    MeanOver mean = MeanOver::sequences;
    double max_length = 1;     // the constant of MeanOver::constant
    float kl_coefficient = 0;  // of k3 against the reference
};

// Shao et al. 2024.
inline constexpr GroupLoss kGrpo{};
// Liu et al. 2025: no bias towards short answers; max_length is the limit of the sampling.
inline constexpr GroupLoss kDrGrpo{.mean = MeanOver::constant};
// Yu et al. 2025.
inline constexpr GroupLoss kDapo{.clip_high_threshold = 1.28f, .mean = MeanOver::tokens};
// Zheng et al. 2025.
inline constexpr GroupLoss kGspo{
    .surrogate = Surrogate::gspo, .clip_low_threshold = 1 - 3e-4f, .clip_high_threshold = 1 + 4e-4f};
// MiniMax 2025.
inline constexpr GroupLoss kCispo{
    .surrogate = Surrogate::cispo, .clip_low_threshold = 0, .clip_high_threshold = 4, .mean = MeanOver::tokens};

TokenLoss group_loss(const math::KernelTable& kernels, const GroupLoss& recipe, const GroupBatch& batch);

}  // namespace hone::train
