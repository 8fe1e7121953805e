// The load-balancing loss and its gradient: bits everywhere, golden values over several layers, differences, rows left
// out.

#include "math/ops/aux_loss.h"

#include <algorithm>
#include <numeric>

#include "golden_ops.h"
#include "gradient_check.h"

namespace hone::math {
namespace {

// The k largest of every row.
std::vector<int32_t> best_of(MatrixView<const float> logits, int64_t k) {
    std::vector<int32_t> chosen;
    for (int64_t t = 0; t < logits.rows; t++) {
        std::vector<int32_t> order(static_cast<size_t>(logits.cols));
        std::iota(order.begin(), order.end(), 0);
        std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return logits.row(t)[a] > logits.row(t)[b]; });
        chosen.insert(chosen.end(), order.begin(), order.begin() + k);
    }
    return chosen;
}

struct Layers {
    int64_t layers, rows, experts, k;
    std::vector<float> logits;
    std::vector<uint8_t> counted;  // of the rows of every layer; empty: all

    MatrixView<const float> layer(int64_t i) const { return {&logits[i * rows * experts], rows, experts}; }
    RouterLoad load(OpContext& op) const {
        RouterLoad load(experts);
        for (int64_t i = 0; i < layers; i++) {
            const auto chosen = best_of(layer(i), k);
            add_router_load(op, layer(i), {chosen.data(), rows, k}, counted, load);
        }
        return load;
    }
    // Adds to dlogits [layers * rows, experts].
    void backward(OpContext& op, const RouterLoad& load, double coefficient, std::vector<float>& dlogits) const {
        for (int64_t i = 0; i < layers; i++) {
            aux_loss_backward(op, load, coefficient, layer(i), counted, {&dlogits[i * rows * experts], rows, experts});
        }
    }
};

// The loss in double, the selections being those of `chosen` [layers * rows, k].
double plain_loss(const Layers& shape, const std::vector<double>& logits, std::span<const int32_t> chosen) {
    const auto experts = static_cast<size_t>(shape.experts), k = static_cast<size_t>(shape.k);
    std::vector<double> f(experts), p(experts);
    double rows = 0;
    for (size_t t = 0; t < logits.size() / experts; t++) {
        if (!shape.counted.empty() && !shape.counted[t % shape.counted.size()]) continue;
        double all = 0;
        for (size_t e = 0; e < experts; e++) all += std::exp(logits[t * experts + e]);
        for (size_t e = 0; e < experts; e++) p[e] += std::exp(logits[t * experts + e]) / all;
        for (size_t slot = t * k; slot < (t + 1) * k; slot++) f[static_cast<size_t>(chosen[slot])] += 1;
        rows += 1;
    }
    double sum = 0;
    for (size_t e = 0; e < experts; e++) sum += f[e] / rows * (p[e] / rows);
    return static_cast<double>(experts) * sum;
}

TEST(AuxLoss, TheSameBitsEverywhere) {
    for (const int64_t experts : {1, 7, 64, 130}) {
        Layers layers{2, 150, experts, std::min<int64_t>(experts, 4), random_values(1, 2 * 150 * experts, 2), {}};
        for (int64_t t = 0; t < layers.rows; t++) layers.counted.push_back(t % 5 != 1);
        const auto before = random_values(2, 2 * 150 * experts);
        const auto run = [&](OpContext& op) {
            auto results = before;
            const RouterLoad load = layers.load(op);
            layers.backward(op, load, 0.01, results);
            results.push_back(static_cast<float>(aux_loss(load)));
            results.insert(results.end(), load.probabilities.begin(), load.probabilities.end());
            return results;
        };
        expect_same_everywhere(run, fmt::format("{} experts", experts));
    }
}

TEST(AuxLoss, AgreesWithDifferencesAddsAndLeavesRowsOut) {
    for (const bool some_left_out : {false, true}) {
        Layers layers{3, 7, 6, 2, random_values(3, 3 * 7 * 6), {}};
        if (some_left_out) layers.counted = {1, 0, 1, 1, 0, 1, 1};
        TestContext context;
        const RouterLoad load = layers.load(context.op);
        EXPECT_EQ(load.rows, some_left_out ? 15 : 21);
        EXPECT_EQ(std::accumulate(load.selections.begin(), load.selections.end(), int64_t{0}), 2 * load.rows);
        const auto before = random_values(4, 3 * 7 * 6, 0.01f);
        auto dlogits = before;
        layers.backward(context.op, load, 0.3, dlogits);
        const auto chosen = best_of({layers.logits.data(), 21, 6}, 2);
        auto wide = widened(layers.logits);
        const auto loss = [&] { return plain_loss(layers, wide, chosen); };
        EXPECT_NEAR(aux_loss(load), loss(), 1e-6);
        auto expected = numeric_gradient(wide, loss);
        for (double& value : expected) value *= 0.3;
        expect_added(before, dlogits, expected, 1e-6, "dlogits");
        if (some_left_out) {
            for (size_t i = 6; i < 12; i++) EXPECT_EQ(dlogits[i], before[i]);
        }
    }
}

TEST(AuxLoss, NothingCountedIsNoLossAndNoGradient) {
    Layers layers{1, 2, 3, 1, {1, 2, 3, 4, 5, 6}, {0, 0}};
    TestContext context;
    const RouterLoad load = layers.load(context.op);
    EXPECT_EQ(aux_loss(load), 0);
    std::vector<float> dlogits(6, 7.0f);
    layers.backward(context.op, load, 1, dlogits);
    EXPECT_EQ(dlogits, std::vector<float>(6, 7.0f));
}

TEST(AuxLoss, Golden) {
    const GoldenOp golden("aux_loss");
    for (const auto& name : golden.cases()) {
        const Shape shape = golden.shape(name, "in/logits");
        const Layers layers{shape[0],
                            shape[1],
                            shape[2],
                            golden.attributes(name).at("k").to_number<int64_t>(),
                            golden.values(name, "in/logits"),
                            {}};
        TestContext context;
        const RouterLoad load = layers.load(context.op);
        const std::vector<float> loss{static_cast<float>(aux_loss(load))};
        golden.expect_within(name, "loss", loss, GoldenPrecision::fp32);
        std::vector<float> dlogits(layers.logits.size());
        layers.backward(context.op, load, double{golden.values(name, "in/dloss")[0]}, dlogits);
        golden.expect_within(name, "dlogits", dlogits, GoldenPrecision::fp32);
    }
}

}  // namespace
}  // namespace hone::math
