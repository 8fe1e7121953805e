// What the tests of mixtures of experts share: experts that own their weights, choices of experts, the golden blocks.
#pragma once

#include "gemm_fixture.h"
#include "golden_ops.h"
#include "math/ops/moe.h"

namespace hone::math {

struct Experts {
    std::vector<PackedWeight> packed;
    std::vector<Weight> gate, up, down;

    Experts(WeightFormat format, int32_t count, int32_t hidden, int32_t model) {
        for (int32_t e = 0; e < count; e++) {
            gate.push_back(add(format, hidden, model, random_values(3 * e, int64_t{hidden} * model, 0.1f)));
            up.push_back(add(format, hidden, model, random_values(3 * e + 1, int64_t{hidden} * model, 0.1f)));
            down.push_back(add(format, model, hidden, random_values(3 * e + 2, int64_t{hidden} * model, 0.1f)));
        }
    }
    // [E, out, in] each.
    Experts(WeightFormat format, int32_t count, int32_t hidden, int32_t model, const std::vector<float>& gates,
            const std::vector<float>& ups, const std::vector<float>& downs) {
        const auto part = [&](const std::vector<float>& all, int32_t e) {
            const int64_t size = int64_t{hidden} * model;
            return std::vector<float>(all.begin() + e * size, all.begin() + (e + 1) * size);
        };
        for (int32_t e = 0; e < count; e++) {
            gate.push_back(add(format, hidden, model, part(gates, e)));
            up.push_back(add(format, hidden, model, part(ups, e)));
            down.push_back(add(format, model, hidden, part(downs, e)));
        }
    }

    ExpertWeights view() const { return {gate, up, down}; }

  private:
    Weight add(WeightFormat format, int32_t n, int32_t k, const std::vector<float>& values) {
        packed.emplace_back(format, n, k, values);
        return packed.back().weight;  // its bytes do not move with the vector
    }
};

struct Choice {
    std::vector<int32_t> experts;
    std::vector<float> weights;
    int64_t tokens, slots;

    Routing view() { return {{experts.data(), tokens, slots}, {weights.data(), tokens, slots}}; }
};

// Distinct experts a token, as a router chooses them; with `skew` nearly all tokens choose expert 1 first.
inline Choice random_choice(uint64_t seed, int64_t tokens, int64_t slots, int32_t experts, bool skew) {
    Random random(seed);
    Choice choice{{}, random_values(seed + 1, tokens * slots), tokens, slots};
    for (int64_t t = 0; t < tokens; t++) {
        std::vector<int32_t> order(static_cast<size_t>(experts));
        for (int32_t e = 0; e < experts; e++) order[static_cast<size_t>(e)] = e;
        for (size_t i = 0; i + 1 < order.size(); i++) std::swap(order[i], order[i + random.below(order.size() - i)]);
        if (skew && t % 16 != 3) std::swap(order[0], *std::ranges::find(order, 1));
        choice.experts.insert(choice.experts.end(), order.begin(), order.begin() + slots);
    }
    return choice;
}

// A block of the golden operation `moe`: its experts, and its tokens' choices by the router.
struct GoldenBlock {
    Experts experts;
    Choice choice;

    GoldenBlock(const GoldenOp& golden, const std::string& name, WeightFormat format)
        : experts(format, extent(golden, name, 0), extent(golden, name, 1), extent(golden, name, 2),
                  golden.values(name, "in/gate"), golden.values(name, "in/up"), golden.values(name, "in/down")),
          choice{golden.values<int32_t>(name, "out/ids"),
                 {},
                 golden.shape(name, "out/ids")[0],
                 golden.shape(name, "out/ids")[1]} {
        // Softmax over the chosen logits, which is what renormalised probabilities are.
        const auto x = golden.values(name, "in/x"), router = golden.values(name, "in/router");
        const int64_t width = extent(golden, name, 2);
        for (int64_t t = 0; t < choice.tokens; t++) {
            double sum = 0;
            std::vector<double> scores;
            for (int64_t s = 0; s < choice.slots; s++) {
                double logit = 0;
                const int64_t e = choice.experts[static_cast<size_t>(t * choice.slots + s)];
                for (int64_t i = 0; i < width; i++)
                    logit += double{x[static_cast<size_t>(t * width + i)]} * router[static_cast<size_t>(e * width + i)];
                scores.push_back(std::exp(logit));
                sum += scores.back();
            }
            for (const double score : scores) choice.weights.push_back(static_cast<float>(score / sum));
        }
    }

  private:
    static int32_t extent(const GoldenOp& golden, const std::string& name, size_t i) {
        return static_cast<int32_t>(golden.shape(name, "in/gate")[i]);
    }
};

}  // namespace hone::math
