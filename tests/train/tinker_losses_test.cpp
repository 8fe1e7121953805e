// Tinker's losses: golden values, gradients by differences, unused positions, and that sums accumulate.

#include "finite_differences.h"
#include "loss_fixture.h"
#include "train/optimisers/adamw.h"

namespace hone::train {
namespace {

using Doubles = std::span<const double>;

TEST(TinkerLossesGolden, EveryCase) {
    const GoldenOp golden("loss_tinker");
    const auto& kernels = best_kernels();
    for (const std::string& name : golden.cases()) {
        const auto lp = golden.values(name, "in/lp");
        if (name.starts_with("cross_entropy")) {
            expect_golden(golden, name, cross_entropy(lp, golden.values(name, "in/weights")));
            continue;
        }
        const auto q = golden.values(name, "in/q"), advantages = golden.values(name, "in/adv");
        const RatioInputs in{lp, q, advantages};
        const auto& attributes = golden.attributes(name);
        const auto number = [&](const char* key) { return attributes.at(key).to_number<float>(); };
        const auto clip = [&](auto config) {
            config.clip_low_threshold = number("clip_low_threshold");
            config.clip_high_threshold = number("clip_high_threshold");
            return config;
        };
        if (name == "importance_sampling") {
            expect_golden(golden, name, importance_sampling(kernels, in));
        } else if (name == "ppo_per_token") {
            const auto low = golden.values(name, "in/clip_low_threshold");
            const auto high = golden.values(name, "in/clip_high_threshold");
            expect_golden(golden, name, ppo(kernels, in, {std::span(low), std::span(high)}));
        } else if (name.starts_with("ppo")) {
            expect_golden(golden, name, ppo(kernels, in, clip(PpoConfig{})));
        } else if (name.starts_with("cispo")) {
            expect_golden(golden, name, cispo(kernels, in, clip(CispoConfig{})));
        } else if (name.starts_with("dro")) {
            const DroConfig config{number("beta")};
            expect_golden(golden, name, name == "dro_masked" ? dro_masked(in, config) : dro(in, config));
        } else if (name.starts_with("gspo")) {
            const auto mask = golden.values(name, "in/sequence_ratio_mask");
            const auto offsets = offsets_of(golden.values<int32_t>(name, "in/doc"));
            expect_golden(golden, name, gspo(kernels, in, mask, offsets, clip(PpoConfig{})));
        } else {
            ADD_FAILURE() << "no loss for " << name;
        }
    }
}

// The defaults are those of the cases that are named for the loss alone.
TEST(TinkerLossesGolden, Defaults) {
    const GoldenOp golden("loss_tinker");
    const auto& kernels = best_kernels();
    const auto with_inputs = [&](const std::string& name, auto&& loss) {
        const auto lp = golden.values(name, "in/lp"), q = golden.values(name, "in/q");
        const auto advantages = golden.values(name, "in/adv");
        expect_golden(golden, name, loss(RatioInputs{lp, q, advantages}));
    };
    with_inputs("ppo", [&](const RatioInputs& in) { return ppo(kernels, in); });
    with_inputs("cispo", [&](const RatioInputs& in) { return cispo(kernels, in); });
    with_inputs("dro", [&](const RatioInputs& in) { return dro(in); });
}

double sum_over(Doubles lp, auto&& term) {
    double sum = 0;
    for (size_t i = 0; i < lp.size(); i++) sum += term(i);
    return sum;
}

double smaller_surrogate(double ratio, double advantage, double low, double high) {
    return -std::min(ratio * advantage, std::clamp(ratio, low, high) * advantage);
}

TEST(TinkerLosses, GradientsAreThoseOfTheFormulas) {
    for (const uint64_t seed : {1, 2, 3}) {
        const Tokens tokens(seed);
        const auto& [lp, q, a] = tokens.inputs();
        const auto ratio = [&](Doubles x, size_t i) { return a[i] == 0 ? 1.0 : std::exp(x[i] - double{q[i]}); };
        const auto check = [&](const std::string& what, auto&& compute, auto&& term) {
            const TokenLoss loss = same_on_every_isa(compute, what);
            const auto total = [&](Doubles x) { return sum_over(x, [&](size_t i) { return term(x, i); }); };
            expect_gradient(total, tokens.lp, loss.dlp, what);
            EXPECT_NEAR(total(std::vector<double>(lp.begin(), lp.end())), loss.sum, 1e-4) << what;
        };
        const auto in = tokens.inputs();
        check(
            "cross_entropy", [&](const auto&) { return cross_entropy(in.lp, in.advantages); },
            [&](Doubles x, size_t i) { return -a[i] * x[i]; });
        check(
            "importance_sampling", [&](const auto& k) { return importance_sampling(k, in); },
            [&](Doubles x, size_t i) { return -ratio(x, i) * a[i]; });
        check(
            "ppo", [&](const auto& k) { return ppo(k, in); },
            [&](Doubles x, size_t i) { return smaller_surrogate(ratio(x, i), a[i], 0.8, 1.2); });
        const std::vector<double> start(lp.begin(), lp.end());
        check(
            "cispo", [&](const auto& k) { return cispo(k, in); },
            [&](Doubles x, size_t i) { return -std::clamp(ratio(start, i), 0.0, 4.0) * a[i] * x[i]; });
        const auto dro_term = [&](Doubles x, size_t i) {
            return -(a[i] * x[i] - 0.5 * 0.05 * (x[i] - q[i]) * (x[i] - q[i]));
        };
        check(
            "dro_masked", [&](const auto&) { return dro_masked(in); },
            [&](Doubles x, size_t i) { return a[i] == 0 && q[i] == 0 ? 0.0 : dro_term(x, i); });
        check(
            "gspo",
            [&](const auto& k) {
                return gspo(k, in, tokens.mask, tokens.offsets, {0.7f, 1.3f});
            },
            [&](Doubles x, size_t i) {
                size_t d = 0;
                while (tokens.offsets[d + 1] <= static_cast<int64_t>(i)) d++;
                double sum = 0, count = 0;
                for (auto j = tokens.offsets[d]; j < tokens.offsets[d + 1]; j++) {
                    const auto at = static_cast<size_t>(j);
                    sum += tokens.mask[at] * (start[at] - q[at]);
                    count += tokens.mask[at];
                }
                const double mean = sum / std::max(count, 1.0);
                return a[i] == 0 ? 0.0 : smaller_surrogate(std::exp(mean + x[i] - start[i]), a[i], 0.7, 1.3);
            });
    }
}

TEST(TinkerLosses, ATokenWithoutAdvantageIsNotRead) {
    const auto& kernels = best_kernels();
    Tokens tokens(5);
    const auto losses = [&] {
        const RatioInputs in = tokens.inputs();
        return std::vector{importance_sampling(kernels, in), ppo(kernels, in), cispo(kernels, in),
                           gspo(kernels, in, tokens.mask, tokens.offsets)};
    };
    const auto before = losses();
    for (size_t i = 0; i < tokens.q.size(); i++) {
        if (tokens.advantages[i] == 0) tokens.q[i] = i % 2 == 0 ? NAN : -INFINITY;
    }
    const auto after = losses();
    for (size_t i = 0; i < before.size(); i++) expect_same_bits(after[i], before[i], "unused q");
    const float lp[] = {-1, NAN, -INFINITY}, weights[] = {2, 0, 0};
    EXPECT_EQ(cross_entropy(lp, weights).sum, 2);
}

TEST(TinkerLosses, OnPolicyTheRatioIsExactlyOne) {
    const auto& kernels = best_kernels();
    Tokens tokens(6);
    tokens.q = tokens.lp;
    const TokenLoss loss = importance_sampling(kernels, tokens.inputs());
    for (size_t i = 0; i < tokens.lp.size(); i++) EXPECT_EQ(loss.dlp[i], -tokens.advantages[i]);
    expect_same_bits(ppo(kernels, tokens.inputs()), loss, "ppo");
    expect_same_bits(gspo(kernels, tokens.inputs(), tokens.mask, tokens.offsets), loss, "gspo");
    math::expect_same_bits(cispo(kernels, tokens.inputs()).dlp, loss.dlp, "cispo");
}

// Tinker's forward_backward_custom: the gradient at these lp is all that a loss is.
TEST(TinkerLosses, AGivenGradientIsCrossEntropyWithItsNegative) {
    const Tokens tokens(7);
    std::vector<float> weights = tokens.advantages;
    for (float& weight : weights) weight = -weight;
    expect_same_bits(given_gradient(tokens.lp, tokens.advantages), cross_entropy(tokens.lp, weights), "custom");
}

// Two calls on half a batch and one step are one call on the whole batch and one step: a loss is a sum, and the
// gradient of a parameter one chain over the tokens.
TEST(TinkerLosses, HalvesAccumulateToTheWhole) {
    const auto& kernels = best_kernels();
    const Tokens tokens(8);
    const auto x = random_values(9, 29);
    const auto accumulate = [&](size_t first, size_t count, float& gradient) {
        const auto part = [&](const std::vector<float>& values) { return std::span(values).subspan(first, count); };
        const TokenLoss loss = ppo(kernels, {part(tokens.lp), part(tokens.q), part(tokens.advantages)});
        for (size_t i = 0; i < count; i++) gradient += loss.dlp[i] * x[first + i];
        return loss.sum;
    };
    float whole = 0, halves = 0;
    const double sum = accumulate(0, 29, whole);
    const double first = accumulate(0, 20, halves), second = accumulate(20, 9, halves);
    EXPECT_NEAR(first + second, sum, 1e-12);
    EXPECT_EQ(halves, whole);
    ThreadPool pool(1);
    const auto stepped = [&](const float& gradient) {
        float parameter = 0.5f, m = 0, v = 0;
        const AdamwTensor tensor{{&parameter, 1}, {&gradient, 1}, {&m, 1}, {&v, 1}};
        adamw_step(pool, {&tensor, 1}, {}, 1);
        return parameter;
    };
    EXPECT_EQ(stepped(halves), stepped(whole));
    EXPECT_NE(stepped(whole), 0.5f);
}

}  // namespace
}  // namespace hone::train
