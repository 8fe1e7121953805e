// moe() and moe_backward() under adapters: the bits of the definition, one token and slot after the other, for any
// batch, thread count and ISA; gradients against differences of a mixture in double.
#include <map>

#include "gradient_check.h"
#include "lora_fixture.h"
#include "math/ops/linear.h"
#include "moe_fixture.h"

namespace hone::math {
namespace {

// The factors of all experts of a kind: each its own, or one that all share.
struct KindFactors {
    std::vector<Factors> owned;
    std::vector<LoraWeights> weights;

    KindFactors(uint64_t seed, const std::vector<Weight>& experts, int32_t rank, bool shares_a, bool shares_b) {
        for (size_t e = 0; e < experts.size(); e++) {
            owned.emplace_back(seed + 10 * e, experts[e].n, experts[e].k, rank);
            if (shares_a) owned[e].a_values = owned[0].a_values;
            if (shares_b) owned[e].b_values = owned[0].b_values;
            const Factors& first = owned[0];
            weights.push_back({shares_a ? first.a.weight : owned[e].a.weight,
                               shares_b ? first.b.weight : owned[e].b.weight, owned[e].weights.scale});
        }
    }
};

// An adapter of a mixture, in either layout.
struct ExpertAdapter {
    KindFactors gate, up, down;

    ExpertAdapter(uint64_t seed, const Experts& experts, int32_t rank, bool shares_outer)
        : gate(seed, experts.gate, rank, shares_outer, false),
          up(seed + 1000, experts.up, rank, shares_outer, false),
          down(seed + 2000, experts.down, rank, false, shares_outer) {}
};

// Tokens without an adapter, then some of one that adapts all, then some of one without `up`.
struct Adapters {
    ExpertAdapter first, second;
    std::vector<ExpertLoraRun> runs;

    Adapters(const Experts& experts, int64_t tokens) : first(100, experts, 8, true), second(5000, experts, 33, false) {
        const int64_t begin = tokens / 5, middle = tokens - tokens / 4;
        runs.push_back({begin, middle - begin, first.gate.weights, first.up.weights, first.down.weights});
        runs.push_back({middle, tokens - middle, second.gate.weights, {}, second.down.weights});
    }
    const ExpertLoraRun* of(int64_t token) const {
        for (const ExpertLoraRun& run : runs) {
            if (token >= run.first_row && token < run.first_row + run.rows) return &run;
        }
        return nullptr;
    }
    // What the factors of this place of a run own.
    const Factors* factors(std::span<const LoraWeights> of_run, size_t expert) const {
        for (const KindFactors* kind : {&first.gate, &first.up, &first.down, &second.gate, &second.up, &second.down}) {
            if (kind->weights.data() == of_run.data()) return &kind->owned[expert];
        }
        return nullptr;
    }
};

std::vector<float> token_by_token(OpContext& context, const std::vector<float>& x, const Choice& choice,
                                  const Experts& experts, const Adapters& adapters) {
    const int32_t width = experts.gate[0].k, hidden = experts.gate[0].n;
    std::vector<float> y, gate(static_cast<size_t>(hidden)), up(gate.size()), out(static_cast<size_t>(width));
    for (int64_t t = 0; t < choice.tokens; t++) {
        std::vector<float> sum(static_cast<size_t>(width));
        const auto x_t = std::span(x).subspan(static_cast<size_t>(t * width), static_cast<size_t>(width));
        const ExpertLoraRun* run = adapters.of(t);
        for (int64_t s = 0; s < choice.slots; s++) {
            const auto e = static_cast<size_t>(choice.experts[static_cast<size_t>(t * choice.slots + s)]);
            const auto apply = [&](const Weight& base, auto kind, std::span<const float> from, std::span<float> to) {
                linear(context, {from.data(), 1, base.k}, base, {to.data(), 1, base.n});
                const Factors* factors = run ? adapters.factors(run->*kind, e) : nullptr;
                if (factors) add_by_definition(*factors, from, to);
            };
            apply(experts.gate[e], &ExpertLoraRun::gate, x_t, gate);
            apply(experts.up[e], &ExpertLoraRun::up, x_t, up);
            context.kernels.rows.swiglu.run(gate.data(), up.data(), gate.data(), hidden);
            apply(experts.down[e], &ExpertLoraRun::down, gate, out);
            const float weight = choice.weights[static_cast<size_t>(t * choice.slots + s)];
            for (size_t i = 0; i < sum.size(); i++) sum[i] = std::fma(weight, out[i], sum[i]);
        }
        y.insert(y.end(), sum.begin(), sum.end());
    }
    return y;
}

void expect_definition(const ProductKind& kind, const Experts& experts, Choice choice) {
    const int32_t width = experts.gate[0].k;
    const auto x = random_values(11, choice.tokens * width);
    const Adapters adapters(experts, choice.tokens);
    TestContext alone(*runnable_kernel_tables().front());
    alone.op.int4_class = kind.int4_class;
    const auto expected = token_by_token(alone.op, x, choice, experts, adapters);
    for (const KernelTable* table : runnable_kernel_tables()) {
        for (const int threads : {1, 2, 3}) {
            TestContext context(*table, threads);
            context.op.int4_class = kind.int4_class;
            std::vector<float> y(x.size(), 5.0f);
            moe(context.op, {x.data(), choice.tokens, width}, choice.view(), experts.view(),
                {y.data(), choice.tokens, width}, adapters.runs);
            expect_same_bits(y, expected,
                             fmt::format("{} threads={} tokens={}", describe(*table, kind), threads, choice.tokens));
        }
    }
}

TEST(MoeLora, GivesTheBitsOfItsDefinition) {
    flush_denormals();
    for (const ProductKind& kind : kProductKinds) {
        const Experts even(kind.format, 6, 64, 96), odd(kind.format, 5, 75, 41);
        for (const int64_t tokens : {1, 2, 7, 40}) {
            expect_definition(kind, even, random_choice(tokens, tokens, 3, 6, tokens == 40));
            expect_definition(kind, odd, random_choice(tokens, tokens, 2, 5, tokens == 7));
        }
    }
}

TEST(MoeLora, OneExpertMayHaveMoreRowsThanABlock) {
    flush_denormals();
    const ProductKind kind{WeightFormat::int4_g32, NumericClass::i8g32};
    expect_definition(kind, Experts(kind.format, 3, 40, 1024), random_choice(1, 450, 2, 3, true));
}

// The gradients of a mixture under adapters; those of factors that experts share are added up in one place.
struct Gradients {
    std::vector<float> dx, dweights;
    std::vector<std::vector<float>> values;               // of factors
    std::map<const std::byte*, MatrixView<float>> known;  // by factor
    std::vector<std::vector<LoraGradients>> kinds;        // of each run gate, up, down
    std::vector<ExpertLoraGradients> runs;

    Gradients(const Experts& experts, const Choice& choice, const Adapters& adapters, float start)
        : dx(static_cast<size_t>(choice.tokens * experts.gate[0].k), start), dweights(choice.weights.size(), start) {
        const auto of = [&](const Weight& factor) {
            auto& view = known[factor.data];
            if (view.data) return view;
            values.emplace_back(static_cast<size_t>(factor.n * factor.k), start);
            return view = {values.back().data(), factor.n, factor.k};
        };
        for (const ExpertLoraRun& run : adapters.runs) {
            for (const auto& kind : {run.gate, run.up, run.down}) {
                auto& all = kinds.emplace_back();
                for (const auto& [a, b, scale] : kind) {
                    const auto da = of(a);
                    all.push_back({da, of(b)});
                }
            }
        }
        for (size_t i = 0; i < adapters.runs.size(); i++)
            runs.push_back({kinds[3 * i], kinds[3 * i + 1], kinds[3 * i + 2]});
    }
    std::vector<float> all() const {
        std::vector<float> joined = dx;
        joined.insert(joined.end(), dweights.begin(), dweights.end());
        for (const auto& factor : values) joined.insert(joined.end(), factor.begin(), factor.end());
        return joined;
    }
};

Gradients run(OpContext& context, const std::vector<float>& x, Choice choice, const Experts& experts,
              const std::vector<float>& dy, const Adapters& adapters, float start = 0.25f,
              const ExpertInner& inner = {}) {
    Gradients gradients(experts, choice, adapters, start);
    const int64_t width = experts.gate[0].k, tokens = choice.tokens;
    moe_backward(context, {x.data(), tokens, width}, choice.view(), experts.view(), {dy.data(), tokens, width},
                 {.dx = {gradients.dx.data(), tokens, width},
                  .dweights = {gradients.dweights.data(), tokens, choice.slots},
                  .dgate = {},
                  .dup = {},
                  .ddown = {},
                  .adapters = gradients.runs},
                 adapters.runs, inner);
    return gradients;
}

TEST(MoeLoraBackward, ThreadsAndIsaChangeNoBit) {
    flush_denormals();
    for (const ProductKind& kind : kProductKinds) {
        const Experts experts(kind.format, 5, 75, 41);
        const Choice choice = random_choice(1, 90, 2, 5, true);
        const Adapters adapters(experts, choice.tokens);
        const auto x = random_values(2, 90 * 41), dy = random_values(3, 90 * 41);
        expect_same_everywhere(
            [&](OpContext& context) {
                context.int4_class = kind.int4_class;
                return run(context, x, choice, experts, dy, adapters).all();
            },
            fmt::format("{} {}", name_of(kind.format), name_of(kind.int4_class)));
    }
}

TEST(MoeLoraBackward, WhatTheForwardPassKeptGivesTheSameBits) {
    flush_denormals();
    for (const ProductKind& kind : kProductKinds) {
        const Experts experts(kind.format, 5, 75, 41);
        Choice choice = random_choice(1, 700, 2, 3, true);  // more rows of an expert than a block has; none of the last
        const Adapters adapters(experts, choice.tokens);
        const auto x = random_values(2, choice.tokens * 41), dy = random_values(3, choice.tokens * 41);
        std::vector<float> y(x.size()), kept_y(x.size());
        const int64_t rows = choice.tokens * choice.slots;
        std::vector<float> gate(static_cast<size_t>(rows * 75)), up(gate);
        const ExpertInner inner{{gate.data(), rows, 75}, {up.data(), rows, 75}};
        TestContext context(*runnable_kernel_tables().back(), 2);
        context.op.int4_class = kind.int4_class;
        const auto forward = [&](std::vector<float>& to, const ExpertInner& kept) {
            moe(context.op, {x.data(), choice.tokens, 41}, choice.view(), experts.view(),
                {to.data(), choice.tokens, 41}, adapters.runs, kept);
        };
        forward(y, {}), forward(kept_y, inner);
        const std::string what = fmt::format("{} {}", name_of(kind.format), name_of(kind.int4_class));
        expect_same_bits(kept_y, y, what + " y");
        expect_same_bits(run(context.op, x, choice, experts, dy, adapters, 0.25f, inner).all(),
                         run(context.op, x, choice, experts, dy, adapters).all(), what);
    }
}

// sum(dy * moe(x)) in double, by values that can be changed.
struct DoubleMixture {
    int64_t hidden, width;
    const Experts& experts;
    const Adapters& adapters;
    std::vector<float> x, dy;
    Choice choice;
    std::map<const std::byte*, std::vector<float>> matrices;  // of weights and factors, by their data

    const std::vector<float>& matrix(const Weight& weight) {
        auto& values = matrices[weight.data];
        if (values.empty()) {
            values.resize(static_cast<size_t>(weight.n * weight.k));
            for (int64_t row = 0; row < weight.n; row++) unpack_row(weight, row, &values[row * weight.k]);
        }
        return values;
    }
    std::vector<double> product(const Weight& weight, const std::vector<double>& from) {
        const auto& values = matrix(weight);
        std::vector<double> to(static_cast<size_t>(weight.n));
        for (size_t i = 0; i < to.size(); i++) {
            for (size_t j = 0; j < from.size(); j++) to[i] += from[j] * double{values[i * from.size() + j]};
        }
        return to;
    }
    std::vector<double> apply(const Weight& base, std::span<const LoraWeights> factors, size_t expert,
                              const std::vector<double>& from) {
        auto to = product(base, from);
        if (factors.empty()) return to;
        const auto delta = product(factors[expert].b, product(factors[expert].a, from));
        for (size_t i = 0; i < to.size(); i++) to[i] += double{factors[expert].scale} * delta[i];
        return to;
    }
    double loss() {
        double sum = 0;
        for (int64_t t = 0; t < choice.tokens; t++) {
            const ExpertLoraRun none, *run = adapters.of(t) ? adapters.of(t) : &none;
            const std::vector<double> x_t(x.begin() + t * width, x.begin() + (t + 1) * width);
            for (int64_t s = 0; s < choice.slots; s++) {
                const auto e = static_cast<size_t>(choice.experts[static_cast<size_t>(t * choice.slots + s)]);
                auto h = apply(experts.gate[e], run->gate, e, x_t);
                const auto up = apply(experts.up[e], run->up, e, x_t);
                for (size_t i = 0; i < h.size(); i++) h[i] = h[i] / (1 + std::exp(-h[i])) * up[i];
                const auto out = apply(experts.down[e], run->down, e, h);
                for (size_t i = 0; i < out.size(); i++)
                    sum += double{choice.weights[static_cast<size_t>(t * choice.slots + s)]} * out[i] *
                           double{dy[static_cast<size_t>(t * width) + i]};
            }
        }
        return sum;
    }
};

TEST(MoeLoraBackward, AgreesWithFiniteDifferences) {
    const int32_t hidden = 7, width = 10, count = 3;
    const int64_t tokens = 10;
    const Experts experts(WeightFormat::f32, count, hidden, width);
    const Adapters adapters(experts, tokens);
    DoubleMixture mixture{hidden,
                          width,
                          experts,
                          adapters,
                          random_values(4, tokens * width),
                          random_values(5, tokens * width),
                          random_choice(6, tokens, 2, count, false),
                          {}};
    TestContext context;
    const Gradients gradients = run(context.op, mixture.x, mixture.choice, experts, mixture.dy, adapters, 0);
    const auto expect_derivatives = [&](std::vector<float>& values, std::span<const float> gradient, const char* what) {
        std::vector<double> expected;
        for (float& value : values) {
            const float middle = value, above = middle + 0x1p-8f, below = middle - 0x1p-8f;
            value = above;
            const double loss_above = mixture.loss();
            value = below;
            expected.push_back((loss_above - mixture.loss()) / (double{above} - double{below}));
            value = middle;
        }
        expect_added(std::vector<float>(values.size()), gradient, expected, 1e-4, what);
    };
    mixture.loss();  // fills the matrices
    expect_derivatives(mixture.x, gradients.dx, "x");
    expect_derivatives(mixture.choice.weights, gradients.dweights, "weights");
    for (const auto& [factor, gradient] : gradients.known) {
        auto& values = mixture.matrices[factor];
        if (values.empty()) continue;  // of an expert without rows
        expect_derivatives(values, {gradient.data, values.size()}, "factor");
    }
}

// Chains go on: tokens in two calls give the bits of one, also of factors that experts share where one expert is all.
TEST(MoeLoraBackward, AddsToWhatIsThere) {
    flush_denormals();
    const Experts experts(WeightFormat::f32, 1, 9, 20);
    const int64_t tokens = 1100, first = 537;
    const Choice choice = random_choice(1, tokens, 1, 1, false);
    const Adapters adapters(experts, tokens);
    const auto x = random_values(2, tokens * 20), dy = random_values(3, tokens * 20);
    TestContext context(*runnable_kernel_tables().back(), 2);
    const Gradients whole = run(context.op, x, choice, experts, dy, adapters);
    Gradients parts(experts, choice, adapters, 0.25f);
    Choice all = choice;
    const Routing routing = all.view();
    for (const auto& [start, count] : {std::pair{int64_t{0}, first}, std::pair{first, tokens - first}}) {
        auto runs = adapters.runs;
        for (ExpertLoraRun& run : runs) {
            const int64_t last = std::clamp(run.first_row + run.rows - start, int64_t{0}, count);
            run.first_row = std::clamp(run.first_row - start, int64_t{0}, count);
            run.rows = last - run.first_row;
        }
        moe_backward(context.op, {&x[static_cast<size_t>(start * 20)], count, 20},
                     {routing.experts.rows_from(start, count), routing.weights.rows_from(start, count)}, experts.view(),
                     {&dy[static_cast<size_t>(start * 20)], count, 20},
                     {.dx = {&parts.dx[static_cast<size_t>(start * 20)], count, 20},
                      .dweights = {&parts.dweights[static_cast<size_t>(start)], count, 1},
                      .dgate = {},
                      .dup = {},
                      .ddown = {},
                      .adapters = parts.runs},
                     runs);
    }
    expect_same_bits(parts.all(), whole.all(), "two calls");
}

}  // namespace
}  // namespace hone::math
