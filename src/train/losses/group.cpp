#include "train/losses/group.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace hone::train {
namespace {

// e^y - 1 in double, from e^y in fp32 where that has digits enough to lose, else by the series.
double exp_minus_one(float y, float exp_y) {
    if (std::abs(y) > 0.25f) return double{exp_y} - 1;
    constexpr int kTerms = 10;  // 0.25^10 / 11! is far below the last place of fp32
    double sum = 1;
    for (int n = kTerms; n > 1; n--) sum = 1 + double{y} / n * sum;
    return double{y} * sum;
}

std::vector<float> exp_of_difference(const math::KernelTable& kernels, std::span<const float> a,
                                     std::span<const float> b, std::span<const float> mask) {
    CHECK(a.size() == b.size() && (mask.empty() || mask.size() == a.size()), "{} and {} values, mask {}", a.size(),
          b.size(), mask.size());
    std::vector<float> values(a.size());
    for (size_t i = 0; i < a.size(); i++) {
        if (mask.empty() || mask[i] != 0) values[i] = a[i] - b[i];
    }
    kernels.rows.exp.run(values.data(), values.data(), static_cast<int64_t>(values.size()));
    return values;
}

TokenLoss surrogate_loss(const math::KernelTable& kernels, const GroupLoss& recipe, const GroupBatch& batch) {
    const PpoConfig clip{recipe.clip_low_threshold, recipe.clip_high_threshold};
    switch (recipe.surrogate) {
        case Surrogate::ppo:
            return ppo(kernels, batch.tokens, clip);
        case Surrogate::gspo:
            return gspo(kernels, batch.tokens, batch.mask, batch.offsets, clip);
        case Surrogate::cispo:
            return cispo(kernels, batch.tokens, {clip.clip_low_threshold, clip.clip_high_threshold});
    }
    CHECK(false, "surrogate {}", static_cast<int>(recipe.surrogate));
}

}  // namespace

TokenLoss kl_estimate(const math::KernelTable& kernels, KlEstimator estimator, std::span<const float> lp,
                      std::span<const float> reference, std::span<const float> mask) {
    const std::vector<float> inverse = exp_of_difference(kernels, reference, lp, mask);
    TokenLoss loss(lp.size());
    for (size_t i = 0; i < lp.size(); i++) {
        if (!mask.empty() && mask[i] == 0) continue;
        const float x = lp[i] - reference[i];
        switch (estimator) {
            case KlEstimator::k1:
                loss.set(i, x, 1);
                break;
            case KlEstimator::k2:
                loss.set(i, x * x / 2, x);
                break;
            case KlEstimator::k3: {
                const double inverse_minus_one = exp_minus_one(-x, inverse[i]);
                loss.set(i, static_cast<float>(inverse_minus_one + double{x}), static_cast<float>(-inverse_minus_one));
            }
        }
    }
    return loss;
}

TokenLoss dual_clip(const math::KernelTable& kernels, const RatioInputs& in, const PpoConfig& config, float bound) {
    TokenLoss loss = ppo(kernels, in, config);
    loss.sum = 0;
    for (size_t i = 0; i < loss.each.size(); i++) {
        const float most = -bound * in.advantages[i];
        const bool is_bound = in.advantages[i] < 0 && loss.each[i] > most;
        loss.set(i, is_bound ? most : loss.each[i], is_bound ? 0.0f : loss.dlp[i]);
    }
    return loss;
}

std::vector<float> truncated_importance(const math::KernelTable& kernels, std::span<const float> old,
                                        std::span<const float> rollout, std::span<const float> mask, float low,
                                        float high) {
    std::vector<float> weights = exp_of_difference(kernels, old, rollout, mask);
    for (float& weight : weights) weight = std::min(std::max(weight, low), high);
    return weights;
}

std::vector<float> icepop(const math::KernelTable& kernels, std::span<const float> old, std::span<const float> rollout,
                          std::span<const float> mask, float low, float high) {
    std::vector<float> weights = exp_of_difference(kernels, old, rollout, mask);
    for (float& weight : weights) weight = weight >= low && weight <= high ? weight : 0.0f;
    return weights;
}

TokenLoss group_loss(const math::KernelTable& kernels, const GroupLoss& recipe, const GroupBatch& batch) {
    TokenLoss loss = surrogate_loss(kernels, recipe, batch);
    if (recipe.kl_coefficient != 0) {
        add(loss, kl_estimate(kernels, KlEstimator::k3, batch.tokens.lp, batch.reference, batch.mask),
            recipe.kl_coefficient);
    }
    average(loss, recipe.mean, batch.mask, batch.offsets, recipe.max_length);
    return loss;
}

}  // namespace hone::train
