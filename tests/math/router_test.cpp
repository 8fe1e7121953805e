// Expert choice: bits on every ISA, golden choices and weights, ties, NaN.

#include "math/ops/router.h"

#include "golden_ops.h"
#include "test_context.h"

namespace hone::math {
namespace {

struct Routed {
    std::vector<int32_t> experts;
    std::vector<float> weights;
};

Routed route_all(TestContext& context, const RouterSpec& spec, std::span<const float> logits, int64_t rows) {
    const auto count = static_cast<size_t>(rows * spec.experts_per_token);
    Routed routed{std::vector<int32_t>(count), std::vector<float>(count)};
    const auto experts = static_cast<int64_t>(logits.size()) / rows;
    route(
        context.op, spec, {logits.data(), rows, experts},
        {{routed.experts.data(), rows, spec.experts_per_token}, {routed.weights.data(), rows, spec.experts_per_token}});
    return routed;
}

TEST(Router, EveryIsaAndThreadCountGivesTheBitsOfTheReference) {
    for (const int64_t experts : {1, 5, 16, 60, 64, 128, 257}) {
        const int64_t rows = 40;
        const auto logits = random_values(experts, rows * experts, 2), bias = random_values(7, experts);
        RouterSpec spec{.experts_per_token = static_cast<int32_t>(std::min<int64_t>(experts, 8)),
                        .scale = 2.5f,
                        .selection_bias = {}};
        for (const auto score : {RouterScore::softmax, RouterScore::sigmoid}) {
            spec.score = score;
            spec.selection_bias =
                score == RouterScore::sigmoid ? std::span<const float>(bias) : std::span<const float>();
            TestContext reference(*runnable_kernel_tables().front());
            const Routed expected = route_all(reference, spec, logits, rows);
            for (const KernelTable* table : runnable_kernel_tables()) {
                TestContext context(*table, 1 + static_cast<int>(experts) % 3);
                const Routed actual = route_all(context, spec, logits, rows);
                EXPECT_EQ(actual.experts, expected.experts) << describe(*table) << " " << experts;
                expect_same_bits(actual.weights, expected.weights, describe(*table));
            }
        }
    }
}

TEST(Router, Golden) {
    const GoldenOp golden("router");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            const auto& attributes = golden.attributes(name);
            const bool softmax = attributes.contains("renormalise");
            const auto bias = softmax ? std::vector<float>() : golden.values(name, "in/bias");
            const RouterSpec spec{.score = softmax ? RouterScore::softmax : RouterScore::sigmoid,
                                  .experts_per_token = attributes.at("k").to_number<int32_t>(),
                                  .normalise = !softmax || attributes.at("renormalise").as_bool(),
                                  .scale = softmax ? 1.0f : attributes.at("scale").to_number<float>(),
                                  .selection_bias = bias};
            const auto logits = golden.values(name, "out/logits");
            const Routed routed = route_all(context, spec, logits, golden.shape(name, "out/logits")[0]);
            EXPECT_EQ(routed.experts, golden.values<int32_t>(name, "out/ids")) << name;
            golden.expect_within(name, "weights", routed.weights, GoldenPrecision::fp32);
        }
    }
}

TEST(Router, TiesGoToTheSmallerIndexAndNanIsLast) {
    TestContext context;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    RouterSpec spec{.score = RouterScore::sigmoid, .experts_per_token = 3, .normalise = false, .selection_bias = {}};
    EXPECT_EQ(route_all(context, spec, std::vector<float>{1, 2, 2, 1, 2}, 1).experts, (std::vector<int32_t>{1, 2, 4}));
    EXPECT_EQ(route_all(context, spec, std::vector<float>{nan, 0, nan, 1, 0}, 1).experts,
              (std::vector<int32_t>{3, 1, 4}));
    EXPECT_EQ(route_all(context, spec, std::vector<float>{nan, nan, nan, nan}, 1).experts,
              (std::vector<int32_t>{0, 1, 2}));
}

TEST(Router, BiasChoosesButDoesNotWeigh) {
    TestContext context;
    const std::vector<float> bias{5, 0, 0};
    const RouterSpec spec{
        .score = RouterScore::sigmoid, .experts_per_token = 1, .normalise = false, .scale = 2, .selection_bias = bias};
    const Routed routed = route_all(context, spec, std::vector<float>{0, 1, 2}, 1);
    EXPECT_EQ(routed.experts[0], 0);
    EXPECT_EQ(routed.weights[0], 1.0f);  // 2 * sigmoid(0)
}

}  // namespace
}  // namespace hone::math
