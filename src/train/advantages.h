// Advantages: how much better an answer, or a token, was than expected. From rewards of answers in groups (one prompt
// each), spread to tokens; or from log-probabilities of a teacher or reference. Pure functions, any thread; computed in
// double; sizes that do not agree abort.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/losses/token_loss.h"

namespace hone::train {

// Of each answer. group[i] is the group of answer i, any numbers in any order.
// GRPO (Shao et al. 2024): (R - mean) / (std + 1e-6), std with n - 1. A group of one keeps its reward.
std::vector<float> grpo_advantages(std::span<const float> rewards, std::span<const int32_t> group);
// Dr.GRPO (Liu et al. 2025): R - mean. A group of one keeps its reward.
std::vector<float> dr_grpo_advantages(std::span<const float> rewards, std::span<const int32_t> group);

// DAPO (Yu et al. 2025). Dynamic sampling keeps (1) answers of groups whose rewards are not all equal, the others (0)
// teach nothing. The overlong penalty is 0 up to limit - cache tokens (cache > 0), then falls linearly to -1 at
// the limit.
std::vector<int32_t> informative(std::span<const float> rewards, std::span<const int32_t> group);
struct OverlongPenalty {
    int32_t limit = 0, cache = 1;  // tokens
};
std::vector<float> overlong_rewards(std::span<const float> rewards, std::span<const int32_t> response_length,
                                    OverlongPenalty penalty);
// GRPO's of the overlong rewards, 0 where the raw rewards are not informative.
std::vector<float> dapo_advantages(std::span<const float> rewards, std::span<const int32_t> group,
                                   std::span<const int32_t> response_length, OverlongPenalty penalty);

// To tokens: mask * the value of the token's document (0 outside the mask, whatever the value).
std::vector<float> token_advantages(std::span<const float> of_document, std::span<const float> mask, Offsets offsets);

// Of each token. On-policy distillation: A - coefficient mask (lp - teacher).
std::vector<float> on_policy_distillation_advantages(std::span<const float> advantages, std::span<const float> lp,
                                                     std::span<const float> teacher, std::span<const float> mask,
                                                     float coefficient);
// A + coefficient mask (mean of lp - reference over the mask - (lp - reference)): a KL penalty that moves no mean.
std::vector<float> centred_kl_advantages(std::span<const float> advantages, std::span<const float> lp,
                                         std::span<const float> reference, std::span<const float> mask,
                                         float coefficient);
// gain mask (teacher - lp), gain = clamp(0.03 / mean of |teacher - lp| over the mask, 1, 4): corrections keep a size
// when the teacher is near.
std::vector<float> correction_advantages(std::span<const float> lp, std::span<const float> teacher,
                                         std::span<const float> mask);

}  // namespace hone::train
