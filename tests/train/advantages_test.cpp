// Advantages: golden values, groups in any order, masks.

#include "train/advantages.h"

#include "loss_fixture.h"

namespace hone::train {
namespace {

TEST(AdvantagesGolden, Groups) {
    const GoldenOp golden("advantages");
    const auto rewards = golden.values("groups", "in/rewards");
    const auto group = golden.values<int32_t>("groups", "in/group");
    const auto lengths = golden.values<int32_t>("groups", "in/response_length");
    const auto& attributes = golden.attributes("groups");
    const OverlongPenalty penalty{attributes.at("overlong_limit").to_number<int32_t>(),
                                  attributes.at("overlong_cache").to_number<int32_t>()};
    const auto expect = [&](const char* output, const std::vector<float>& actual) {
        golden.expect_within("groups", output, actual, GoldenPrecision::fp32);
    };
    expect("grpo", grpo_advantages(rewards, group));
    expect("dr_grpo", dr_grpo_advantages(rewards, group));
    expect("shaped", overlong_rewards(rewards, lengths, penalty));
    expect("dapo", dapo_advantages(rewards, group, lengths, penalty));
    EXPECT_EQ(informative(rewards, group), golden.values<int32_t>("groups", "out/kept"));
    std::vector<int64_t> offsets = {0};
    for (const int32_t length : lengths) offsets.push_back(offsets.back() + length);
    const std::vector<float> mask(static_cast<size_t>(offsets.back()), 1);
    expect("token_grpo", token_advantages(grpo_advantages(rewards, group), mask, offsets));
}

TEST(AdvantagesGolden, PerToken) {
    const GoldenOp golden("advantages");
    const auto lp = golden.values("per_token", "in/lp"), teacher = golden.values("per_token", "in/teacher");
    const auto advantages = golden.values("per_token", "in/adv"), mask = golden.values("per_token", "in/mask");
    const auto& attributes = golden.attributes("per_token");
    const auto number = [&](const char* key) { return attributes.at(key).to_number<float>(); };
    const auto expect = [&](const char* output, const std::vector<float>& actual) {
        golden.expect_within("per_token", output, actual, GoldenPrecision::fp32);
    };
    expect("on_policy_distillation",
           on_policy_distillation_advantages(advantages, lp, teacher, mask, number("on_policy_coefficient")));
    expect("centred_kl", centred_kl_advantages(advantages, lp, teacher, mask, number("centred_coefficient")));
    expect("correction", correction_advantages(lp, teacher, mask));
    std::vector<float> near(lp.size());
    for (size_t i = 0; i < lp.size(); i++) {
        near[i] = static_cast<float>(0.01 * double{teacher[i]} + 0.99 * double{lp[i]});
    }
    expect("correction_near", correction_advantages(lp, near, mask));
}

TEST(Advantages, GroupsNeedNoOrder) {
    const std::vector<float> sorted_rewards = {1, 0, 0.25f, 2, 3}, rewards = {2, 1, 3, 0, 0.25f};
    const std::vector<int32_t> sorted_group = {0, 0, 0, 7, 7}, group = {7, -4, 7, -4, -4};
    const size_t where[] = {3, 0, 4, 1, 2};
    const auto sorted = grpo_advantages(sorted_rewards, sorted_group), mixed = grpo_advantages(rewards, group);
    for (size_t i = 0; i < mixed.size(); i++) EXPECT_EQ(mixed[i], sorted[where[i]]);
}

TEST(Advantages, NothingOutsideTheMask) {
    const std::vector<float> of_document = {2, NAN, -1}, mask = {0, 1, 0, 0, 0.5f};
    const std::vector<int64_t> offsets = {0, 2, 4, 5};
    EXPECT_EQ(token_advantages(of_document, mask, offsets), (std::vector<float>{0, 2, 0, 0, -0.5f}));
    const std::vector<float> lp = {NAN, -1, NAN, NAN, -2}, teacher = {0, -2, 0, 0, -2}, none(5);
    const std::vector<float> advantages = {1, 1, 1, 1, 1};
    EXPECT_EQ(on_policy_distillation_advantages(advantages, lp, teacher, mask, 0.5f),
              (std::vector<float>{1, 0.5f, 1, 1, 1}));
    EXPECT_EQ(centred_kl_advantages(advantages, lp, teacher, none, 0.5f), advantages);
    EXPECT_EQ(correction_advantages(lp, teacher, none), none);
}

}  // namespace
}  // namespace hone::train
