// Group losses and their parts: golden values, gradients by differences, each recipe against its paper's formula.

#include "finite_differences.h"
#include "loss_fixture.h"
#include "train/advantages.h"
#include "train/losses/group.h"

namespace hone::train {
namespace {

using Doubles = std::span<const double>;

TEST(GroupLossesGolden, EveryCase) {
    const GoldenOp golden("loss_rl");
    const auto& kernels = best_kernels();
    for (const std::string& name : golden.cases()) {
        const auto lp = golden.values(name, "in/lp");
        if (name.starts_with("kl_")) {
            const KlEstimator kinds[] = {KlEstimator::k1, KlEstimator::k2, KlEstimator::k3};
            const auto reference = golden.values(name, "in/ref");
            expect_golden(golden, name, kl_estimate(kernels, kinds[name.back() - '1'], lp, reference));
            continue;
        }
        const auto q = golden.values(name, "in/q"), advantages = golden.values(name, "in/adv");
        const RatioInputs in{lp, q, advantages};
        if (name == "dual_clip") {
            expect_golden(golden, name, dual_clip(kernels, in, {0.8f, 1.2f}, 3));
            continue;
        }
        const auto mask = golden.values(name, "in/mask");
        if (name == "tis" || name == "icepop") {
            const auto rollout = golden.values(name, "in/rollout");
            const auto weights =
                name == "tis" ? truncated_importance(kernels, q, rollout, mask) : icepop(kernels, q, rollout, mask);
            TokenLoss loss = ppo(kernels, in);
            multiply(loss, weights);
            golden.expect_within(name, "weight", weights, GoldenPrecision::fp32);
            expect_golden(golden, name, loss);
            continue;
        }
        const std::map<std::string, MeanOver> means = {{"aggregate_token_mean", MeanOver::tokens},
                                                       {"aggregate_seq_mean", MeanOver::sequences},
                                                       {"aggregate_constant", MeanOver::constant}};
        TokenLoss loss = ppo(kernels, in, {0.8f, 1.28f});
        average(loss, means.at(name), mask, offsets_of(golden.values<int32_t>(name, "in/doc")), 16);
        expect_golden(golden, name, loss);
    }
}

// Whole recipes, from rewards to losses, over the log-probabilities of a model.
TEST(GroupLossesGolden, EveryRecipe) {
    const GoldenOp golden("dense_groups", "models");
    const std::map<std::string, GroupLoss> recipes = {
        {"grpo", kGrpo}, {"dr_grpo", kDrGrpo}, {"dapo", kDapo}, {"gspo", kGspo}, {"cispo", kCispo}};
    for (const std::string& name : golden.cases()) {
        const auto lp = golden.values(name, "out/logprobs"), q = golden.values(name, "in/logprobs");
        const auto reference = golden.values(name, "in/ref_logprobs"), rewards = golden.values(name, "in/rewards");
        const auto group = golden.values<int32_t>(name, "in/group");
        auto mask = golden.values(name, "in/mask");
        const auto stored_offsets = golden.values<int32_t>(name, "in/offsets");
        const std::vector<int64_t> offsets(stored_offsets.begin(), stored_offsets.end());
        const auto& attributes = golden.attributes(name);
        const auto number = [&](const char* key, auto otherwise) {
            return attributes.contains(key) ? attributes.at(key).to_number<decltype(otherwise)>() : otherwise;
        };
        std::vector<float> advantages =
            name == "dr_grpo" ? dr_grpo_advantages(rewards, group) : grpo_advantages(rewards, group);
        if (name == "dapo") {
            std::vector<int32_t> lengths;
            for (size_t d = 0; d + 1 < offsets.size(); d++) {
                lengths.push_back(
                    static_cast<int32_t>(std::count(mask.begin() + offsets[d], mask.begin() + offsets[d + 1], 1.0f)));
            }
            const OverlongPenalty penalty{number("overlong_limit", 0), number("overlong_cache", 0)};
            advantages = dapo_advantages(rewards, group, lengths, penalty);
            const auto kept = informative(rewards, group);
            mask = token_advantages(std::vector<float>(kept.begin(), kept.end()), mask, offsets);
        }
        const auto of_tokens = token_advantages(advantages, mask, offsets);
        golden.expect_within(name, "token_advantages", of_tokens, GoldenPrecision::fp32);
        GroupLoss recipe = recipes.at(name);
        EXPECT_EQ(recipe.clip_low_threshold, number("low", 0.0f)) << name;
        EXPECT_EQ(recipe.clip_high_threshold, number("high", 0.0f)) << name;
        recipe.kl_coefficient = number("kl", 0.0f);
        recipe.max_length = number("max_length", 1.0);
        const TokenLoss loss = group_loss(best_kernels(), recipe, {{lp, q, of_tokens}, mask, offsets, reference});
        const auto sum = static_cast<float>(loss.sum);
        golden.expect_within(name, "each", loss.each, GoldenPrecision::fp32);
        golden.expect_within(name, "loss", {&sum, 1}, GoldenPrecision::fp32);
    }
}

// The loss of a recipe in double, from its token terms and its mean.
double averaged(const Tokens& tokens, MeanOver over, double length, const std::function<double(size_t)>& term) {
    double total = 0, masked = 0, alive = 0;
    for (size_t d = 0; d + 1 < tokens.offsets.size(); d++) {
        double sum = 0, count = 0;
        for (auto i = static_cast<size_t>(tokens.offsets[d]); i < static_cast<size_t>(tokens.offsets[d + 1]); i++) {
            if (tokens.mask[i] != 0) sum += term(i), count++;
        }
        total += over == MeanOver::sequences && count > 0 ? sum / count : sum;
        masked += count;
        alive += count > 0;
    }
    return total / (over == MeanOver::tokens ? masked : over == MeanOver::sequences ? alive : alive * length);
}

TEST(GroupLosses, GradientsAreThoseOfTheFormulas) {
    const Tokens tokens(11);
    const auto& [lp, q, a] = tokens.inputs();
    const GroupBatch batch{tokens.inputs(), tokens.mask, tokens.offsets, tokens.reference};
    const std::vector<double> start(lp.begin(), lp.end());
    const auto ratio = [&](Doubles x, size_t i) { return std::exp(x[i] - double{q[i]}); };
    const auto sequence_ratio = [&](Doubles x, size_t i) {
        size_t d = 0;
        while (tokens.offsets[d + 1] <= static_cast<int64_t>(i)) d++;
        double sum = 0, count = 0;
        for (auto j = static_cast<size_t>(tokens.offsets[d]); j < static_cast<size_t>(tokens.offsets[d + 1]); j++) {
            sum += tokens.mask[j] * (start[j] - q[j]), count += tokens.mask[j];
        }
        return std::exp(sum / count + x[i] - start[i]);
    };
    const auto surrogate = [&](double r, size_t i, double low, double high) {
        return -std::min(r * a[i], std::clamp(r, low, high) * a[i]);
    };
    const auto check = [&](const std::string& what, const GroupLoss& recipe, auto&& term) {
        const auto loss = same_on_every_isa([&](const auto& k) { return group_loss(k, recipe, batch); }, what);
        const auto total = [&](Doubles x) {
            return averaged(tokens, recipe.mean, recipe.max_length, [&](size_t i) { return term(x, i); });
        };
        EXPECT_NEAR(total(start), loss.sum, 1e-6) << what;
        expect_gradient(total, tokens.lp, loss.dlp, what, 1e-4);
    };
    GroupLoss grpo = kGrpo, dr_grpo = kDrGrpo, gspo = kGspo;
    grpo.kl_coefficient = 0.04f;
    dr_grpo.max_length = 16;
    gspo.clip_low_threshold = 0.9f;
    check("grpo", grpo, [&](Doubles x, size_t i) {
        const double d = x[i] - tokens.reference[i];
        return surrogate(ratio(x, i), i, 0.8, 1.2) + 0.04f * (std::exp(-d) - 1 + d);
    });
    check("dr_grpo", dr_grpo, [&](Doubles x, size_t i) { return surrogate(ratio(x, i), i, 0.8, 1.2); });
    check("dapo", kDapo, [&](Doubles x, size_t i) { return surrogate(ratio(x, i), i, 0.8, 1.28); });
    check("gspo", gspo, [&](Doubles x, size_t i) { return surrogate(sequence_ratio(x, i), i, 0.9, 1 + 4e-4); });
    check("cispo", kCispo, [&](Doubles x, size_t i) { return -std::clamp(ratio(start, i), 0.0, 4.0) * a[i] * x[i]; });
}

TEST(GroupLosses, KlOfOneselfIsExactlyZeroAndSmallOnesKeepTheirDigits) {
    const auto& kernels = best_kernels();
    const Tokens tokens(12);
    for (const auto estimator : {KlEstimator::k1, KlEstimator::k2, KlEstimator::k3}) {
        EXPECT_EQ(kl_estimate(kernels, estimator, tokens.lp, tokens.lp).sum, 0);
    }
    for (const float x : {1e-6f, -1e-3f, 0.2499f, 0.2501f, -0.2499f, -0.2501f, 2.0f}) {
        const float zero = 0;
        const TokenLoss loss = kl_estimate(kernels, KlEstimator::k3, {&x, 1}, {&zero, 1});
        const double expected = std::expm1(-double{x}) + double{x};
        EXPECT_NEAR(loss.each[0] / expected, 1, std::abs(x) < 0.25f ? 1e-7 : 1e-5) << x;
        EXPECT_NEAR(loss.dlp[0] / -std::expm1(-double{x}), 1, 1e-6) << x;
    }
}

TEST(GroupLosses, WhatTheMaskLeavesOutIsNotRead) {
    const auto& kernels = best_kernels();
    Tokens tokens(13);
    GroupLoss grpo = kGrpo;
    grpo.kl_coefficient = 0.1f;
    const auto loss = [&] {
        return group_loss(kernels, grpo, {tokens.inputs(), tokens.mask, tokens.offsets, tokens.reference});
    };
    const TokenLoss before = loss();
    for (size_t i = 0; i < tokens.mask.size(); i++) {
        if (tokens.mask[i] == 0) tokens.q[i] = tokens.reference[i] = NAN;
    }
    expect_same_bits(loss(), before, "masked");
    TokenLoss broken(2);
    broken.set(0, INFINITY, NAN), broken.set(1, 3, 4);
    const float weights[] = {0, 2};
    multiply(broken, weights);
    EXPECT_EQ(broken.sum, 6);
    EXPECT_EQ(broken.dlp, (std::vector<float>{0, 8}));
}

TEST(GroupLosses, TheMeanOfNothingIsZero) {
    for (const auto over : {MeanOver::tokens, MeanOver::sequences, MeanOver::constant}) {
        TokenLoss loss(3);
        for (size_t i = 0; i < 3; i++) loss.set(i, 1, 1);
        const float mask[3] = {};
        const int64_t offsets[] = {0, 2, 3};
        average(loss, over, mask, offsets, 16);
        EXPECT_EQ(loss.sum, 0);
        EXPECT_EQ(loss.dlp, std::vector<float>(3));
    }
}

}  // namespace
}  // namespace hone::train
