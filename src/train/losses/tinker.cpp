#include "train/losses/tinker.h"

#include <algorithm>

#include "base/check.h"

namespace hone::train {
namespace {

void check_sizes(const RatioInputs& in) {
    CHECK(in.q.size() == in.lp.size() && in.advantages.size() == in.lp.size(), "{} lp, {} q, {} advantages",
          in.lp.size(), in.q.size(), in.advantages.size());
}

void exponentiate(const math::KernelTable& kernels, std::vector<float>& x) {
    kernels.rows.exp.run(x.data(), x.data(), static_cast<int64_t>(x.size()));
}

// exp(lp - q); 1 where the token is unused.
std::vector<float> token_ratios(const math::KernelTable& kernels, const RatioInputs& in) {
    check_sizes(in);
    std::vector<float> ratios(in.lp.size());
    for (size_t i = 0; i < ratios.size(); i++) {
        if (in.advantages[i] != 0) ratios[i] = in.lp[i] - in.q[i];
    }
    exponentiate(kernels, ratios);
    return ratios;
}

// exp of the mean of lp - q over a document's masked tokens, at each of its used tokens.
std::vector<float> document_ratios(const math::KernelTable& kernels, const RatioInputs& in, std::span<const float> mask,
                                   Offsets offsets) {
    check_sizes(in);
    CHECK(mask.size() == in.lp.size() && !offsets.empty() && offsets.back() == static_cast<int64_t>(in.lp.size()),
          "{} mask values and {} offsets for {} tokens", mask.size(), offsets.size(), in.lp.size());
    std::vector<float> ratios(in.lp.size());
    for (size_t d = 0; d + 1 < offsets.size(); d++) {
        double sum = 0, count = 0;
        for (auto i = static_cast<size_t>(offsets[d]); i < static_cast<size_t>(offsets[d + 1]); i++) {
            if (mask[i] == 0) continue;
            sum += double{in.lp[i]} - double{in.q[i]};
            count++;
        }
        const float mean = static_cast<float>(sum / std::max(count, 1.0));
        for (auto i = static_cast<size_t>(offsets[d]); i < static_cast<size_t>(offsets[d + 1]); i++) {
            if (in.advantages[i] != 0) ratios[i] = mean;
        }
    }
    exponentiate(kernels, ratios);
    return ratios;
}

float clip(float ratio, float low, float high) {
    return std::min(std::max(ratio, low), high);
}

// -min(r A, clip(r) A). The gradient is that of the smaller one; dr/dlp = r, and clip(r) is constant outside.
TokenLoss clipped_surrogate(const RatioInputs& in, std::span<const float> ratios, const PpoConfig& config) {
    TokenLoss loss(in.lp.size());
    for (size_t i = 0; i < in.lp.size(); i++) {
        if (in.advantages[i] == 0) continue;
        const float plain = ratios[i] * in.advantages[i];
        const float bound =
            clip(ratios[i], config.clip_low_threshold[i], config.clip_high_threshold[i]) * in.advantages[i];
        loss.set(i, -std::min(plain, bound), bound < plain ? 0.0f : -plain);
    }
    return loss;
}

TokenLoss dro_where(const RatioInputs& in, const DroConfig& config, auto&& is_used) {
    check_sizes(in);
    TokenLoss loss(in.lp.size());
    for (size_t i = 0; i < in.lp.size(); i++) {
        if (!is_used(in.advantages[i], in.q[i])) continue;
        const float difference = in.lp[i] - in.q[i];
        loss.set(i, -(in.advantages[i] * in.lp[i] - 0.5f * config.beta * difference * difference),
                 -(in.advantages[i] - config.beta * difference));
    }
    return loss;
}

}  // namespace

TokenLoss cross_entropy(std::span<const float> lp, std::span<const float> weights) {
    CHECK_EQ(lp.size(), weights.size());
    TokenLoss loss(lp.size());
    for (size_t i = 0; i < lp.size(); i++) {
        if (weights[i] != 0) loss.set(i, -weights[i] * lp[i], -weights[i]);
    }
    return loss;
}

TokenLoss importance_sampling(const math::KernelTable& kernels, const RatioInputs& in) {
    const std::vector<float> ratios = token_ratios(kernels, in);
    TokenLoss loss(in.lp.size());
    for (size_t i = 0; i < in.lp.size(); i++) {
        if (in.advantages[i] == 0) continue;
        const float gradient = -ratios[i] * in.advantages[i];
        loss.set(i, gradient, gradient);
    }
    return loss;
}

TokenLoss ppo(const math::KernelTable& kernels, const RatioInputs& in, const PpoConfig& config) {
    return clipped_surrogate(in, token_ratios(kernels, in), config);
}

TokenLoss cispo(const math::KernelTable& kernels, const RatioInputs& in, const CispoConfig& config) {
    const std::vector<float> ratios = token_ratios(kernels, in);
    TokenLoss loss(in.lp.size());
    for (size_t i = 0; i < in.lp.size(); i++) {
        if (in.advantages[i] == 0) continue;
        const float gradient =
            -clip(ratios[i], config.clip_low_threshold[i], config.clip_high_threshold[i]) * in.advantages[i];
        loss.set(i, gradient * in.lp[i], gradient);
    }
    return loss;
}

TokenLoss dro(const RatioInputs& in, const DroConfig& config) {
    return dro_where(in, config, [](float, float) { return true; });
}

TokenLoss dro_masked(const RatioInputs& in, const DroConfig& config) {
    return dro_where(in, config, [](float advantage, float q) { return advantage != 0 || q != 0; });
}

TokenLoss gspo(const math::KernelTable& kernels, const RatioInputs& in, std::span<const float> sequence_ratio_mask,
               Offsets offsets, const PpoConfig& config) {
    return clipped_surrogate(in, document_ratios(kernels, in, sequence_ratio_mask, offsets), config);
}

}  // namespace hone::train
