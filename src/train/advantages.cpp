#include "train/advantages.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"

namespace hone::train {
namespace {

using Members = std::vector<size_t>;

std::map<int32_t, Members> groups_of(std::span<const int32_t> group, size_t answers) {
    CHECK_EQ(group.size(), answers);
    std::map<int32_t, Members> groups;
    for (size_t i = 0; i < group.size(); i++) groups[group[i]].push_back(i);
    return groups;
}

double mean_of(std::span<const float> rewards, const Members& members) {
    double sum = 0;
    for (const size_t i : members) sum += double{rewards[i]};
    return sum / static_cast<double>(members.size());
}

double deviation_of(std::span<const float> rewards, const Members& members, double mean) {
    double squares = 0;
    for (const size_t i : members) squares += (double{rewards[i]} - mean) * (double{rewards[i]} - mean);
    return std::sqrt(squares / static_cast<double>(members.size() - 1));
}

std::vector<float> group_advantages(std::span<const float> rewards, std::span<const int32_t> group, bool by_deviation) {
    constexpr double kEpsilon = 1e-6;
    std::vector<float> advantages(rewards.size());
    for (const auto& [number, members] : groups_of(group, rewards.size())) {
        const bool is_alone = members.size() == 1;
        const double mean = is_alone ? 0.0 : mean_of(rewards, members);
        const double deviation = is_alone ? 1.0 : deviation_of(rewards, members, mean);
        const double divisor = by_deviation ? deviation + kEpsilon : 1.0;
        for (const size_t i : members) advantages[i] = static_cast<float>((double{rewards[i]} - mean) / divisor);
    }
    return advantages;
}

void check_sizes(std::span<const float> a, std::span<const float> b, std::span<const float> mask) {
    CHECK(a.size() == b.size() && a.size() == mask.size(), "{} and {} values, mask {}", a.size(), b.size(),
          mask.size());
}

// Mean under the mask of f(a - b); 0 of an empty mask.
double mean_difference(std::span<const float> a, std::span<const float> b, std::span<const float> mask, auto&& f) {
    double sum = 0, count = 0;
    for (size_t i = 0; i < mask.size(); i++) {
        if (mask[i] == 0) continue;
        sum += double{mask[i]} * f(double{a[i]} - double{b[i]});
        count += double{mask[i]};
    }
    return count == 0 ? 0 : sum / count;
}

}  // namespace

std::vector<float> grpo_advantages(std::span<const float> rewards, std::span<const int32_t> group) {
    return group_advantages(rewards, group, true);
}

std::vector<float> dr_grpo_advantages(std::span<const float> rewards, std::span<const int32_t> group) {
    return group_advantages(rewards, group, false);
}

std::vector<int32_t> informative(std::span<const float> rewards, std::span<const int32_t> group) {
    std::vector<int32_t> kept(rewards.size());
    for (const auto& [number, members] : groups_of(group, rewards.size())) {
        const bool differ =
            std::any_of(members.begin(), members.end(), [&](size_t i) { return rewards[i] != rewards[members[0]]; });
        for (const size_t i : members) kept[i] = differ;
    }
    return kept;
}

std::vector<float> overlong_rewards(std::span<const float> rewards, std::span<const int32_t> response_length,
                                    OverlongPenalty penalty) {
    CHECK_EQ(rewards.size(), response_length.size());
    CHECK_GT(penalty.cache, 0);
    std::vector<float> shaped(rewards.size());
    for (size_t i = 0; i < rewards.size(); i++) {
        const int32_t left = penalty.limit - penalty.cache - response_length[i];
        shaped[i] = static_cast<float>(double{rewards[i]} + std::clamp(double(left) / penalty.cache, -1.0, 0.0));
    }
    return shaped;
}

std::vector<float> dapo_advantages(std::span<const float> rewards, std::span<const int32_t> group,
                                   std::span<const int32_t> response_length, OverlongPenalty penalty) {
    std::vector<float> advantages = grpo_advantages(overlong_rewards(rewards, response_length, penalty), group);
    const std::vector<int32_t> kept = informative(rewards, group);
    for (size_t i = 0; i < kept.size(); i++) {
        if (kept[i] == 0) advantages[i] = 0;
    }
    return advantages;
}

std::vector<float> token_advantages(std::span<const float> of_document, std::span<const float> mask, Offsets offsets) {
    CHECK(offsets.size() == of_document.size() + 1 && offsets.back() == static_cast<int64_t>(mask.size()),
          "{} documents, {} offsets, {} tokens", of_document.size(), offsets.size(), mask.size());
    std::vector<float> advantages(mask.size());
    for (size_t d = 0; d < of_document.size(); d++) {
        for (auto i = static_cast<size_t>(offsets[d]); i < static_cast<size_t>(offsets[d + 1]); i++) {
            if (mask[i] != 0) advantages[i] = mask[i] * of_document[d];
        }
    }
    return advantages;
}

std::vector<float> on_policy_distillation_advantages(std::span<const float> advantages, std::span<const float> lp,
                                                     std::span<const float> teacher, std::span<const float> mask,
                                                     float coefficient) {
    check_sizes(lp, teacher, mask);
    CHECK_EQ(advantages.size(), lp.size());
    std::vector<float> shifted(advantages.begin(), advantages.end());
    for (size_t i = 0; i < lp.size(); i++) {
        if (mask[i] != 0) shifted[i] -= coefficient * mask[i] * (lp[i] - teacher[i]);
    }
    return shifted;
}

std::vector<float> centred_kl_advantages(std::span<const float> advantages, std::span<const float> lp,
                                         std::span<const float> reference, std::span<const float> mask,
                                         float coefficient) {
    check_sizes(lp, reference, mask);
    CHECK_EQ(advantages.size(), lp.size());
    const double mean = mean_difference(lp, reference, mask, [](double x) { return x; });
    std::vector<float> shifted(advantages.begin(), advantages.end());
    for (size_t i = 0; i < lp.size(); i++) {
        if (mask[i] == 0) continue;
        const double difference = double{lp[i]} - double{reference[i]};
        shifted[i] = static_cast<float>(double{advantages[i]} + double{coefficient} * mask[i] * (mean - difference));
    }
    return shifted;
}

std::vector<float> correction_advantages(std::span<const float> lp, std::span<const float> teacher,
                                         std::span<const float> mask) {
    check_sizes(lp, teacher, mask);
    constexpr double kWanted = 0.03, kLeastGain = 1, kMostGain = 4;
    const double mean = mean_difference(teacher, lp, mask, [](double x) { return std::abs(x); });
    const double gain = mean == 0 ? kMostGain : std::clamp(kWanted / mean, kLeastGain, kMostGain);
    std::vector<float> corrections(lp.size());
    for (size_t i = 0; i < lp.size(); i++) {
        if (mask[i] != 0) corrections[i] = static_cast<float>(gain * mask[i] * (double{teacher[i]} - double{lp[i]}));
    }
    return corrections;
}

}  // namespace hone::train
