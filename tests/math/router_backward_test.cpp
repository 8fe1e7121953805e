// The backward pass of the expert choice: bits everywhere, golden gradients, differences, accumulation.

#include "golden_ops.h"
#include "gradient_check.h"
#include "math/ops/router.h"

namespace hone::math {
namespace {

struct Routed {
    std::vector<int32_t> experts;
    std::vector<float> weights;
    int64_t rows, chosen;

    Routed(OpContext& op, const RouterSpec& spec, MatrixView<const float> logits)
        : experts(static_cast<size_t>(logits.rows * spec.experts_per_token)),
          weights(experts.size()),
          rows(logits.rows),
          chosen(spec.experts_per_token) {
        route(op, spec, logits, routing());
    }
    Routing routing() { return {{experts.data(), rows, chosen}, {weights.data(), rows, chosen}}; }
};

std::vector<RouterSpec> all_specs(int32_t chosen, std::span<const float> bias) {
    std::vector<RouterSpec> specs;
    for (const auto score : {RouterScore::softmax, RouterScore::sigmoid}) {
        for (const bool normalise : {true, false}) {
            specs.push_back({.score = score,
                             .experts_per_token = chosen,
                             .normalise = normalise,
                             .scale = 2.5f,
                             .selection_bias = bias});
        }
    }
    return specs;
}

std::string describe(const RouterSpec& spec) {
    return fmt::format("{}{}", spec.score == RouterScore::softmax ? "softmax" : "sigmoid",
                       spec.normalise ? ", normalised" : "");
}

TEST(RouterBackward, TheSameBitsEverywhere) {
    for (const int64_t experts : {1, 5, 16, 60, 128}) {
        const int64_t rows = 400, chosen = std::min<int64_t>(experts, 8);
        const auto logits = random_values(1, rows * experts, 2), bias = random_values(2, experts);
        const auto dweights = random_values(3, rows * chosen), before = random_values(4, rows * experts);
        const MatrixView<const float> view(logits.data(), rows, experts);
        for (const RouterSpec& spec : all_specs(static_cast<int32_t>(chosen), bias)) {
            const auto run = [&](OpContext& op) {
                Routed routed(op, spec, view);
                auto dlogits = before;
                route_backward(op, spec, view, routed.routing(), {dweights.data(), rows, chosen},
                               {dlogits.data(), rows, experts});
                return dlogits;
            };
            expect_same_everywhere(run, describe(spec));
        }
    }
}

// sum of dweights * factors of the given experts, in double.
double weighted_factors(const RouterSpec& spec, const std::vector<double>& logits, const Routed& routed,
                        std::span<const float> dweights) {
    const size_t experts = logits.size() / static_cast<size_t>(routed.rows),
                 chosen = static_cast<size_t>(routed.chosen);
    double total = 0;
    for (size_t t = 0; t < static_cast<size_t>(routed.rows); t++) {
        double all = 0, sum = 0, weighted = 0;
        for (size_t e = 0; e < experts; e++) all += std::exp(logits[t * experts + e]);
        for (size_t slot = t * chosen; slot < (t + 1) * chosen; slot++) {
            const double z = logits[t * experts + static_cast<size_t>(routed.experts[slot])];
            const double score = spec.score == RouterScore::softmax ? std::exp(z) / all : 1 / (1 + std::exp(-z));
            sum += score;
            weighted += dweights[slot] * score;
        }
        total += spec.scale * (spec.normalise ? weighted / sum : weighted);
    }
    return total;
}

TEST(RouterBackward, AgreesWithDifferencesAndAdds) {
    const int64_t rows = 6, experts = 11, chosen = 3;
    const auto logits = random_values(5, rows * experts, 2), bias = random_values(6, experts);
    const auto dweights = random_values(7, rows * chosen), before = random_values(8, rows * experts);
    const MatrixView<const float> view(logits.data(), rows, experts);
    for (const RouterSpec& spec : all_specs(chosen, bias)) {
        TestContext context;
        Routed routed(context.op, spec, view);
        auto dlogits = before;
        route_backward(context.op, spec, view, routed.routing(), {dweights.data(), rows, chosen},
                       {dlogits.data(), rows, experts});
        auto wide = widened(logits);
        const auto expected = numeric_gradient(wide, [&] { return weighted_factors(spec, wide, routed, dweights); });
        expect_added(before, dlogits, expected, 1e-6, describe(spec));
    }
}

TEST(RouterBackward, Golden) {
    const GoldenOp golden("router");
    for (const auto& name : golden.cases()) {
        const auto& attributes = golden.attributes(name);
        const bool softmax = attributes.contains("renormalise");
        const auto bias = softmax ? std::vector<float>() : golden.values(name, "in/bias");
        const RouterSpec spec{.score = softmax ? RouterScore::softmax : RouterScore::sigmoid,
                              .experts_per_token = attributes.at("k").to_number<int32_t>(),
                              .normalise = !softmax || attributes.at("renormalise").as_bool(),
                              .scale = softmax ? 1.0f : attributes.at("scale").to_number<float>(),
                              .selection_bias = bias};
        const auto x = golden.values(name, "in/x"), w = golden.values(name, "in/w"),
                   logits = golden.values(name, "out/logits"), dweights = golden.values(name, "in/dweights");
        const int64_t rows = golden.shape(name, "in/x")[0], dim = golden.shape(name, "in/x")[1];
        const int64_t experts = golden.shape(name, "in/w")[0];
        const MatrixView<const float> view(logits.data(), rows, experts);
        TestContext context;
        Routed routed(context.op, spec, view);
        std::vector<float> dlogits(logits.size());
        route_backward(context.op, spec, view, routed.routing(), {dweights.data(), rows, routed.chosen},
                       {dlogits.data(), rows, experts});
        std::vector<double> dx(x.size()), dw(w.size());
        for (int64_t t = 0; t < rows; t++) {
            for (int64_t e = 0; e < experts; e++) {
                for (int64_t i = 0; i < dim; i++) {
                    dx[t * dim + i] += double{dlogits[t * experts + e]} * w[e * dim + i];
                    dw[e * dim + i] += double{dlogits[t * experts + e]} * x[t * dim + i];
                }
            }
        }
        golden.expect_within(name, "dx", std::vector<float>(dx.begin(), dx.end()), GoldenPrecision::fp32);
        golden.expect_within(name, "dw", std::vector<float>(dw.begin(), dw.end()), GoldenPrecision::fp32);
    }
}

}  // namespace
}  // namespace hone::math
