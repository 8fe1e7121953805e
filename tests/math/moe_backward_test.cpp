// moe_backward(): golden values, a double-precision mixture and its differences, and bits that neither the batch nor
// threads nor the ISA change.

#include <atomic>
#include <optional>
#include <thread>

#include "base/turns.h"
#include "math/ops/linear.h"
#include "moe_fixture.h"

namespace hone::math {
namespace {

// Gradients of every kind, and the views that they are passed as.
struct Gradients {
    std::vector<float> dx, dweights;
    std::vector<std::vector<float>> gate, up, down;  // per expert
    std::vector<MatrixView<float>> dgate, dup, ddown;

    Gradients(const Experts& experts, const Choice& choice, float start = 0)
        : dx(static_cast<size_t>(choice.tokens * experts.gate[0].k), start),
          dweights(static_cast<size_t>(choice.tokens * choice.slots), start) {
        const auto add = [&](const std::vector<Weight>& weights, auto& values, auto& views) {
            for (const Weight& weight : weights)
                values.emplace_back(static_cast<size_t>(int64_t{weight.n} * weight.k), start);
            for (size_t e = 0; e < weights.size(); e++) views.push_back({values[e].data(), weights[e].n, weights[e].k});
        };
        add(experts.gate, gate, dgate), add(experts.up, up, dup), add(experts.down, down, ddown);
        tokens_ = choice.tokens, slots_ = choice.slots, width_ = experts.gate[0].k;
    }
    MoeGradients view(bool with_weights = true) {
        const MatrixView<float> inputs(dx.data(), tokens_, width_), weights(dweights.data(), tokens_, slots_);
        if (!with_weights) return {inputs, weights, {}, {}, {}};
        return {inputs, weights, dgate, dup, ddown};
    }
    // All gradients of weights of a kind, experts ascending.
    static std::vector<float> all(const std::vector<std::vector<float>>& parts) {
        std::vector<float> values;
        for (const auto& part : parts) values.insert(values.end(), part.begin(), part.end());
        return values;
    }

  private:
    int64_t tokens_, slots_, width_;
};

void expect_same_gradients(const Gradients& a, const Gradients& b, const std::string& what) {
    expect_same_bits(a.dx, b.dx, what + " dx");
    expect_same_bits(a.dweights, b.dweights, what + " dweights");
    expect_same_bits(Gradients::all(a.gate), Gradients::all(b.gate), what + " dgate");
    expect_same_bits(Gradients::all(a.up), Gradients::all(b.up), what + " dup");
    expect_same_bits(Gradients::all(a.down), Gradients::all(b.down), what + " ddown");
}

void run(OpContext& context, const std::vector<float>& x, Choice choice, const Experts& experts,
         const std::vector<float>& dy, const MoeGradients& gradients) {
    const int64_t width = experts.gate[0].k;
    moe_backward(context, {x.data(), choice.tokens, width}, choice.view(), experts.view(),
                 {dy.data(), choice.tokens, width}, gradients);
}

TEST(MoeBackward, ThreadsAndIsaChangeNoBit) {
    flush_denormals();
    for (const ProductKind& kind : kProductKinds) {
        const Experts experts(kind.format, 5, 75, 41);
        const Choice choice = random_choice(1, 40, 2, 5, true);
        const auto x = random_values(2, 40 * 41), dy = random_values(3, 40 * 41);
        std::optional<Gradients> expected;
        for (const KernelTable* table : runnable_kernel_tables()) {
            for (const int threads : {1, 2, 3}) {
                TestContext context(*table, threads);
                context.op.int4_class = kind.int4_class;
                Gradients gradients(experts, choice, 0.25f);
                run(context.op, x, choice, experts, dy, gradients.view());
                if (!expected) expected = gradients;
                expect_same_gradients(gradients, *expected,
                                      fmt::format("{} threads={}", describe(*table, kind), threads));
            }
        }
    }
}

// Where each thread has an expert of its own, one with more rows than its scratch is cut, and experts with more rows than
// there is room for dx of come in groups: the bits are those of an expert at a time, whole.
TEST(MoeBackward, RowsInPartsAndExpertsInGroupsChangeNoBit) {
    flush_denormals();
    const int32_t width = 4096, hidden = 6, count = 12;  // of a thread's scratch 170 rows, of that for dx 4096
    const int64_t tokens = 1300, slots = 4;
    const Experts experts(WeightFormat::bf16, count, hidden, width);
    const Choice choice = random_choice(1, tokens, slots, count, true);
    const auto x = random_values(2, tokens * width), dy = random_values(3, tokens * width);
    std::optional<Gradients> expected;
    for (const int threads : {4, 1, 3}) {  // for four, experts are too few to have one each
        TestContext context(*runnable_kernel_tables().back(), threads);
        Gradients gradients(experts, choice, 0.25f);
        run(context.op, x, choice, experts, dy, gradients.view());
        if (!expected) expected = gradients;
        expect_same_gradients(gradients, *expected, fmt::format("threads={}", threads));
    }
}

// A turn ends with the tiles that have begun: as none is a whole expert, a guest hands back several times in each.
TEST(MoeBackward, AGuestHandsBackWithinAnExpert) {
    flush_denormals();
    const int32_t width = 256, hidden = 256, count = 8;
    const int64_t tokens = 400;
    const Experts experts(WeightFormat::bf16, count, hidden, width);
    const Choice choice = random_choice(1, tokens, 2, count, false);
    const auto x = random_values(2, tokens * width), dy = random_values(3, tokens * width);
    TestContext host;
    Gradients alone(experts, choice), as_guest(experts, choice);
    run(host.op, x, choice, experts, dy, alone.view());

    Turns turns;
    turns.open(host.pool, [] {});
    std::atomic<bool> has_ended = false;
    std::thread guest([&] {
        flush_denormals();
        ThreadPool pool(turns);
        OpContext context{pool, host.workspace, host.op.kernels};
        const Visit visit(pool);
        run(context, x, choice, experts, dy, as_guest.view());
        has_ended = true;
    });
    int64_t turns_given = 0;
    while (!has_ended) {
        if (turns.wanted())
            turns_given += turns.give(0) > 0;
        else
            std::this_thread::yield();
    }
    guest.join();
    turns.close();
    EXPECT_GT(turns_given, 12 * count);
    expect_same_gradients(as_guest, alone, "guest");
}

TEST(MoeBackward, ATokenDependsOnItselfAlone) {
    flush_denormals();
    for (const ProductKind& kind : kProductKinds) {
        const Experts experts(kind.format, 6, 64, 96);
        const Choice choice = random_choice(1, 20, 3, 6, true);
        const auto x = random_values(2, 20 * 96), dy = random_values(3, 20 * 96);
        TestContext context(*runnable_kernel_tables().back(), 2);
        context.op.int4_class = kind.int4_class;
        Gradients together(experts, choice);
        run(context.op, x, choice, experts, dy, together.view(false));
        for (int64_t t = 0; t < choice.tokens; t++) {
            const auto row = [&](const auto& all, int64_t size) {
                return std::vector(all.begin() + t * size, all.begin() + (t + 1) * size);
            };
            const Choice one{row(choice.experts, 3), row(choice.weights, 3), 1, 3};
            Gradients alone(experts, one);
            run(context.op, row(x, 96), one, experts, row(dy, 96), alone.view(false));
            const std::string what = fmt::format("{} {} token {}", name_of(kind.format), name_of(kind.int4_class), t);
            expect_same_bits(row(together.dx, 96), alone.dx, what);
            expect_same_bits(row(together.dweights, 3), alone.dweights, what);
        }
    }
}

TEST(MoeBackward, AddsToWhatIsThere) {
    // Chains go on: the tokens in two calls give the bits of one call, also where an expert has more rows than are
    // taken at once.
    flush_denormals();
    const Experts experts(WeightFormat::f32, 4, 9, 20);
    const int64_t tokens = 1100, first = 37;
    const Choice choice = random_choice(1, tokens, 2, 3, true);  // expert 3 gets none
    const auto x = random_values(2, tokens * 20), dy = random_values(3, tokens * 20);
    TestContext context(*runnable_kernel_tables().back(), 2);
    Gradients whole(experts, choice, 0.5f), parts(experts, choice, 0.5f);
    run(context.op, x, choice, experts, dy, whole.view());

    Choice all = choice;
    const Routing routing = all.view();
    const MoeGradients view = parts.view();
    for (const auto& [start, count] : {std::pair{int64_t{0}, first}, std::pair{first, tokens - first}}) {
        MoeGradients some = view;
        some.dx = view.dx.rows_from(start, count);
        some.dweights = view.dweights.rows_from(start, count);
        moe_backward(context.op, {&x[static_cast<size_t>(start * 20)], count, 20},
                     {routing.experts.rows_from(start, count), routing.weights.rows_from(start, count)}, experts.view(),
                     {&dy[static_cast<size_t>(start * 20)], count, 20}, some);
    }
    expect_same_gradients(parts, whole, "two calls");
    for (const auto* values : {&whole.gate[3], &whole.up[3], &whole.down[3]})
        EXPECT_EQ(*values, std::vector<float>(values->size(), 0.5f)) << "an expert without rows";
}

TEST(MoeBackward, WeightsAreNotNeeded) {
    flush_denormals();
    const Experts experts(WeightFormat::int4_g32, 4, 64, 64);
    const Choice choice = random_choice(1, 9, 2, 4, false);
    const auto x = random_values(2, 9 * 64), dy = random_values(3, 9 * 64);
    TestContext context;
    Gradients with(experts, choice), without(experts, choice);
    run(context.op, x, choice, experts, dy, with.view());
    run(context.op, x, choice, experts, dy, without.view(false));
    expect_same_bits(without.dx, with.dx, "dx");
    expect_same_bits(without.dweights, with.dweights, "dweights");
    run(context.op, {}, {{}, {}, 0, 2}, experts, {}, Gradients(experts, {{}, {}, 0, 2}).view());
}

TEST(MoeBackward, Golden) {
    const GoldenOp golden("moe");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table, 2);
        for (const auto& name : golden.cases()) {
            if (!name.starts_with("block")) continue;
            for (const WeightFormat format : {WeightFormat::f32, WeightFormat::bf16}) {
                GoldenBlock block(golden, name, format);
                const Choice& choice = block.choice;
                const auto x = golden.values(name, "in/x"), router = golden.values(name, "in/router");
                Gradients gradients(block.experts, choice);
                run(context.op, x, choice, block.experts, golden.values(name, "in/dy"), gradients.view());
                // The router's own part: softmax over the chosen logits, and its linear layer.
                const auto width = static_cast<int64_t>(block.experts.gate[0].k);
                std::vector<float> drouter(router.size());
                for (int64_t t = 0; t < choice.tokens; t++) {
                    const float *weights = &choice.weights[static_cast<size_t>(t * choice.slots)],
                                *dweights = &gradients.dweights[static_cast<size_t>(t * choice.slots)];
                    double mean = 0;
                    for (int64_t s = 0; s < choice.slots; s++) mean += double{weights[s]} * double{dweights[s]};
                    for (int64_t s = 0; s < choice.slots; s++) {
                        const double dlogit = weights[s] * (dweights[s] - mean);
                        const int64_t e = choice.experts[static_cast<size_t>(t * choice.slots + s)];
                        for (int64_t i = 0; i < width; i++) {
                            drouter[static_cast<size_t>(e * width + i)] +=
                                static_cast<float>(dlogit * x[static_cast<size_t>(t * width + i)]);
                            gradients.dx[static_cast<size_t>(t * width + i)] +=
                                static_cast<float>(dlogit * router[static_cast<size_t>(e * width + i)]);
                        }
                    }
                }
                const auto precision = format == WeightFormat::f32 ? GoldenPrecision::fp32 : GoldenPrecision::bf16;
                golden.expect_within(name, "dx", gradients.dx, precision);
                golden.expect_within(name, "drouter", drouter, precision);
                golden.expect_within(name, "dgate", Gradients::all(gradients.gate), precision);
                golden.expect_within(name, "dup", Gradients::all(gradients.up), precision);
                golden.expect_within(name, "ddown", Gradients::all(gradients.down), precision);
            }
        }
    }
}

// sum(dy * moe(x)) in double, from values of the weights [E][out][in].
struct DoubleMixture {
    int64_t hidden, width;
    std::vector<float> x, dy;
    Choice choice;
    std::vector<std::vector<float>> gate, up, down;

    double loss() const {
        double sum = 0;
        for (int64_t t = 0; t < choice.tokens; t++) {
            const float *x_t = &x[static_cast<size_t>(t * width)], *dy_t = &dy[static_cast<size_t>(t * width)];
            for (int64_t s = 0; s < choice.slots; s++) {
                const auto e = static_cast<size_t>(choice.experts[static_cast<size_t>(t * choice.slots + s)]);
                for (int64_t h = 0; h < hidden; h++) {
                    double g = 0, u = 0, back = 0;
                    for (int64_t i = 0; i < width; i++) {
                        g += double{gate[e][static_cast<size_t>(h * width + i)]} * double{x_t[i]};
                        u += double{up[e][static_cast<size_t>(h * width + i)]} * double{x_t[i]};
                        back += double{down[e][static_cast<size_t>(i * hidden + h)]} * double{dy_t[i]};
                    }
                    sum +=
                        choice.weights[static_cast<size_t>(t * choice.slots + s)] * g / (1 + std::exp(-g)) * u * back;
                }
            }
        }
        return sum;
    }
};

TEST(MoeBackward, AgreesWithFiniteDifferences) {
    const int32_t hidden = 7, width = 10, count = 3;
    const Experts experts(WeightFormat::f32, count, hidden, width);
    const auto values_of = [](const std::vector<Weight>& weights) {
        std::vector<std::vector<float>> values;
        for (const Weight& weight : weights) {
            values.emplace_back(static_cast<size_t>(weight.n * weight.k));
            for (int64_t row = 0; row < weight.n; row++) unpack_row(weight, row, &values.back()[row * weight.k]);
        }
        return values;
    };
    DoubleMixture mixture{hidden,
                          width,
                          random_values(4, 6 * width),
                          random_values(5, 6 * width),
                          random_choice(6, 6, 2, count, false),
                          values_of(experts.gate),
                          values_of(experts.up),
                          values_of(experts.down)};
    TestContext context;
    Gradients gradients(experts, mixture.choice);
    run(context.op, mixture.x, mixture.choice, experts, mixture.dy, gradients.view());
    const auto expect_derivatives = [&](std::vector<float>& values, const std::vector<float>& gradient,
                                        const char* what) {
        for (size_t i = 0; i < values.size(); i++) {
            const float value = values[i], above = value + 0x1p-8f, below = value - 0x1p-8f;
            values[i] = above;
            const double loss_above = mixture.loss();
            values[i] = below;
            const double loss_below = mixture.loss();
            values[i] = value;
            EXPECT_NEAR(gradient[i], (loss_above - loss_below) / (double{above} - double{below}), 2e-5)
                << what << " " << i;
        }
    };
    expect_derivatives(mixture.x, gradients.dx, "x");
    expect_derivatives(mixture.choice.weights, gradients.dweights, "weights");
    for (size_t e = 0; e < count; e++) {
        expect_derivatives(mixture.gate[e], gradients.gate[e], "gate");
        expect_derivatives(mixture.up[e], gradients.up[e], "up");
        expect_derivatives(mixture.down[e], gradients.down[e], "down");
    }
}

TEST(MoeBackward, QuantisedClassesGoStraightThrough) {
    // h is the forward's of the class; gradients meet the weights' values. What is left is rounding to bf16 (and of
    // down's output nothing is computed).
    flush_denormals();
    const int32_t hidden = 96, width = 64;
    const Experts experts(WeightFormat::int4_g32, 1, hidden, width);
    const Choice choice{{0}, {0.75f}, 1, 1};
    const auto x = random_values(2, width), dy = random_values(3, width);
    for (const NumericClass int4_class : kNumericClasses) {
        TestContext context;
        context.op.int4_class = int4_class;
        Gradients gradients(experts, choice);
        run(context.op, x, choice, experts, dy, gradients.view());
        std::vector<float> gate(hidden), up(hidden), w(std::max(hidden, width));
        linear(context.op, {x.data(), 1, width}, experts.gate[0], {gate.data(), 1, hidden});
        linear(context.op, {x.data(), 1, width}, experts.up[0], {up.data(), 1, hidden});
        std::vector<double> dh(hidden);
        for (int32_t i = 0; i < width; i++) {
            unpack_row(experts.down[0], i, w.data());
            for (int32_t h = 0; h < hidden; h++) dh[static_cast<size_t>(h)] += double{w[h]} * double{dy[i]};
        }
        double dweight = 0, size = 0;
        std::vector<double> dx(width);
        for (int32_t h = 0; h < hidden; h++) {
            const double g = gate[h], u = up[h], s = 1 / (1 + std::exp(-g));
            dweight += dh[h] * g * s * u;
            size += std::abs(dh[h] * g * s * u);
            unpack_row(experts.gate[0], h, w.data());
            for (int32_t i = 0; i < width; i++) dx[i] += 0.75 * dh[h] * u * s * (1 + g * (1 - s)) * w[i];
            unpack_row(experts.up[0], h, w.data());
            for (int32_t i = 0; i < width; i++) dx[i] += 0.75 * dh[h] * g * s * w[i];
        }
        EXPECT_NEAR(gradients.dweights[0], dweight, size * 0x1p-8) << name_of(int4_class);
        double error = 0, norm = 0;
        for (int32_t i = 0; i < width; i++) {
            error += (gradients.dx[i] - dx[i]) * (gradients.dx[i] - dx[i]);
            norm += dx[i] * dx[i];
        }
        EXPECT_LT(std::sqrt(error / norm), 0x1p-7) << name_of(int4_class);
    }
}

}  // namespace
}  // namespace hone::math
