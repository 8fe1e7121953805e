// moe(): golden values, and the bits of its definition, one token and slot after the other, for any batch, thread count
// and ISA.

#include "math/ops/moe.h"

#include "gemm_fixture.h"
#include "golden_ops.h"
#include "math/ops/linear.h"

namespace hone::math {
namespace {

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
    Experts(int32_t count, int32_t hidden, int32_t model, const std::vector<float>& gates,
            const std::vector<float>& ups, const std::vector<float>& downs) {
        const auto part = [&](const std::vector<float>& all, int32_t e) {
            const int64_t size = int64_t{hidden} * model;
            return std::vector<float>(all.begin() + e * size, all.begin() + (e + 1) * size);
        };
        for (int32_t e = 0; e < count; e++) {
            gate.push_back(add(WeightFormat::f32, hidden, model, part(gates, e)));
            up.push_back(add(WeightFormat::f32, hidden, model, part(ups, e)));
            down.push_back(add(WeightFormat::f32, model, hidden, part(downs, e)));
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
Choice random_choice(uint64_t seed, int64_t tokens, int64_t slots, int32_t experts, bool skew) {
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

// The definition: a row at a time, slots ascending.
std::vector<float> token_by_token(OpContext& context, const std::vector<float>& x, Choice& choice,
                                  const Experts& experts) {
    const int32_t model = experts.gate[0].k, hidden = experts.gate[0].n;
    std::vector<float> y, gate(static_cast<size_t>(hidden)), up(gate.size()), out(static_cast<size_t>(model));
    for (int64_t t = 0; t < choice.tokens; t++) {
        std::vector<float> sum(static_cast<size_t>(model));
        const MatrixView<const float> row(&x[static_cast<size_t>(t * model)], 1, model);
        for (int64_t s = 0; s < choice.slots; s++) {
            const auto e = static_cast<size_t>(choice.experts[static_cast<size_t>(t * choice.slots + s)]);
            linear(context, row, experts.gate[e], {gate.data(), 1, hidden});
            linear(context, row, experts.up[e], {up.data(), 1, hidden});
            context.kernels.rows.swiglu.run(gate.data(), up.data(), gate.data(), hidden);
            linear(context, {gate.data(), 1, hidden}, experts.down[e], {out.data(), 1, model});
            const float weight = choice.weights[static_cast<size_t>(t * choice.slots + s)];
            for (size_t i = 0; i < sum.size(); i++) sum[i] = std::fma(weight, out[i], sum[i]);
        }
        y.insert(y.end(), sum.begin(), sum.end());
    }
    return y;
}

void expect_definition(const KernelTable& table, const ProductKind& kind, int threads, const Experts& experts,
                       Choice choice) {
    TestContext context(table, threads);
    context.op.int4_class = kind.int4_class;
    const int32_t model = experts.gate[0].k;
    const auto x = random_values(11, choice.tokens * model);
    std::vector<float> y(x.size(), 5.0f);
    moe(context.op, {x.data(), choice.tokens, model}, choice.view(), experts.view(), {y.data(), choice.tokens, model});
    TestContext alone(table);
    alone.op.int4_class = kind.int4_class;
    expect_same_bits(y, token_by_token(alone.op, x, choice, experts),
                     fmt::format("{} threads={} tokens={} hidden={}", describe(table, kind), threads, choice.tokens,
                                 experts.gate[0].n));
}

TEST(Moe, GivesTheBitsOfItsDefinition) {
    flush_denormals();
    for (const ProductKind& kind : kProductKinds) {
        const Experts even(kind.format, 6, 64, 96), odd(kind.format, 5, 75, 41);
        for (const KernelTable* table : runnable_kernel_tables()) {
            for (const int threads : {1, 2, 3}) {
                for (const int64_t tokens : {1, 2, 7, 40}) {
                    expect_definition(*table, kind, threads, even, random_choice(tokens, tokens, 3, 6, tokens == 40));
                    expect_definition(*table, kind, threads, odd, random_choice(tokens, tokens, 2, 5, tokens == 7));
                }
            }
        }
    }
}

TEST(Moe, OneExpertMayHaveMoreRowsThanABlock) {
    flush_denormals();
    const ProductKind kind{WeightFormat::int4_g32, NumericClass::i8g32};
    const Experts experts(kind.format, 3, 40, 1024);
    for (const int threads : {1, 2}) {
        expect_definition(*runnable_kernel_tables().back(), kind, threads, experts, random_choice(1, 450, 2, 3, true));
    }
}

TEST(Moe, GateAndDownMayDifferInFormat) {
    flush_denormals();
    Experts experts(WeightFormat::int4_g32, 4, 64, 64);
    const Experts other(WeightFormat::bf16, 4, 64, 64);
    experts.down = other.down;
    expect_definition(*runnable_kernel_tables().back(), {WeightFormat::int4_g32, NumericClass::i8g32}, 2, experts,
                      random_choice(1, 20, 2, 4, false));
}

TEST(Moe, NoTokensNoWork) {
    const Experts experts(WeightFormat::bf16, 2, 32, 32);
    TestContext context;
    Choice choice{{}, {}, 0, 2};
    moe(context.op, {nullptr, 0, 32}, choice.view(), experts.view(), {nullptr, 0, 32});
}

TEST(Moe, Golden) {
    const GoldenOp golden("moe");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            if (!name.starts_with("block")) continue;
            const Shape shape = golden.shape(name, "in/gate");
            const auto count = static_cast<int32_t>(shape[0]), hidden = static_cast<int32_t>(shape[1]),
                       model = static_cast<int32_t>(shape[2]);
            const Experts experts(count, hidden, model, golden.values(name, "in/gate"), golden.values(name, "in/up"),
                                  golden.values(name, "in/down"));
            const auto x = golden.values(name, "in/x");
            const auto slots = golden.attributes(name).at("k").to_number<int64_t>();
            const auto tokens = static_cast<int64_t>(x.size()) / model;
            Choice choice{golden.values<int32_t>(name, "out/ids"),
                          std::vector<float>(static_cast<size_t>(tokens * slots)), tokens, slots};
            // Softmax over the chosen logits, which is what renormalised probabilities are.
            const auto router = golden.values(name, "in/router");
            for (int64_t t = 0; t < tokens; t++) {
                double sum = 0;
                std::vector<double> scores;
                for (int64_t s = 0; s < slots; s++) {
                    double logit = 0;
                    const int32_t e = choice.experts[static_cast<size_t>(t * slots + s)];
                    for (int32_t i = 0; i < model; i++)
                        logit += double{x[t * model + i]} * router[static_cast<size_t>(e * model + i)];
                    scores.push_back(std::exp(logit));
                    sum += scores.back();
                }
                for (int64_t s = 0; s < slots; s++)
                    choice.weights[static_cast<size_t>(t * slots + s)] = static_cast<float>(scores[s] / sum);
            }
            std::vector<float> y(x.size());
            moe(context.op, {x.data(), tokens, model}, choice.view(), experts.view(), {y.data(), tokens, model});
            golden.expect_within(name, "y", y, GoldenPrecision::fp32);
        }
    }
}

}  // namespace
}  // namespace hone::math
