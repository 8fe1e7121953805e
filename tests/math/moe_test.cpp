// moe(): golden values, and the bits of its definition, one token and slot after the other, for any batch, thread count
// and ISA.

#include "golden_ops.h"
#include "math/ops/linear.h"
#include "moe_fixture.h"

namespace hone::math {
namespace {

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
            GoldenBlock block(golden, name, WeightFormat::f32);
            const auto x = golden.values(name, "in/x");
            const int64_t tokens = block.choice.tokens, width = block.experts.gate[0].k;
            std::vector<float> y(x.size());
            moe(context.op, {x.data(), tokens, width}, block.choice.view(), block.experts.view(),
                {y.data(), tokens, width});
            golden.expect_within(name, "y", y, GoldenPrecision::fp32);
        }
    }
}

}  // namespace
}  // namespace hone::math
