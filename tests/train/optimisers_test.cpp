// AdamW against golden traces, Muon against Newton-Schulz in double, and the bits of both over threads and ISAs.

#include "loss_fixture.h"
#include "train/optimisers/adamw.h"
#include "train/optimisers/gradient_norm.h"
#include "train/optimisers/muon.h"

namespace hone::train {
namespace {

using math::TestContext;

TEST(AdamwGolden, EveryCase) {
    const GoldenOp golden("adamw");
    ThreadPool pool(1);
    for (const std::string& name : golden.cases()) {
        const auto& attributes = golden.attributes(name);
        const auto number = [&](const char* key) { return attributes.at(key).to_number<double>(); };
        const AdamParams params{number("lr"),  number("beta1"),        number("beta2"),
                                number("eps"), number("weight_decay"), number("clip")};
        std::vector<float> p = golden.values(name, "in/p"), m(p.size()), v(p.size()), norms;
        const auto gradients = golden.values(name, "in/g");
        for (int64_t t = 1; t <= 3; t++) {
            const auto g = std::span(gradients).subspan(static_cast<size_t>(t - 1) * p.size(), p.size());
            const double norm = gradient_norm(pool, {&g, 1});
            norms.push_back(static_cast<float>(norm));
            const AdamwTensor tensor{p, g, m, v};
            adamw_step(pool, {&tensor, 1}, params, t, clip_factor(norm, params.grad_clip_norm));
            golden.expect_within(name, fmt::format("p{}", t), p, GoldenPrecision::fp32);
            golden.expect_within(name, fmt::format("m{}", t), m, GoldenPrecision::fp32);
            golden.expect_within(name, fmt::format("v{}", t), v, GoldenPrecision::fp32);
        }
        golden.expect_within(name, "norm", norms, GoldenPrecision::fp32);
    }
}

TEST(Adamw, DefaultsAreTinkers) {
    const AdamParams params;
    EXPECT_EQ(params.learning_rate, 1e-4);
    EXPECT_EQ(params.beta1, 0.9);
    EXPECT_EQ(params.beta2, 0.95);
    EXPECT_EQ(params.eps, 1e-12);
    EXPECT_EQ(params.weight_decay, 0);
    EXPECT_EQ(params.grad_clip_norm, 0);
}

// Several tensors, of sizes around the blocks and the sixteen elements at once.
struct AdamwState {
    std::vector<std::vector<float>> p, g, m, v;

    AdamwState() {
        for (const int64_t size : {1, 15, 16, 17, 16384, 16385, 50000, 0, 3}) {
            const auto seed = static_cast<uint64_t>(100 + size);
            p.push_back(random_values(seed, size)), g.push_back(random_values(seed + 1, size));
            m.emplace_back(p.back().size()), v.emplace_back(p.back().size());
        }
    }
    std::vector<AdamwTensor> tensors() {
        std::vector<AdamwTensor> tensors;
        for (size_t i = 0; i < p.size(); i++) tensors.push_back({p[i], g[i], m[i], v[i], i % 2 == 0});
        return tensors;
    }
    std::vector<std::span<const float>> gradients() const { return {g.begin(), g.end()}; }
};

TEST(Adamw, TheSameBitsForAnyThreadCount) {
    const AdamParams params{.learning_rate = 1e-2, .weight_decay = 0.1, .grad_clip_norm = 1};
    std::vector<std::vector<float>> expected;
    double expected_norm = 0;
    for (const int threads : {1, 2, 3}) {
        ThreadPool pool(threads);
        AdamwState state;
        const double norm = gradient_norm(pool, state.gradients());
        for (int64_t t = 1; t <= 3; t++) adamw_step(pool, state.tensors(), params, t, clip_factor(norm, 1));
        if (expected.empty()) expected = state.p, expected_norm = norm;
        EXPECT_EQ(norm, expected_norm);
        for (size_t i = 0; i < expected.size(); i++) math::expect_same_bits(state.p[i], expected[i], "parameter");
    }
}

// What many elements at once give is what each alone gives, and what the formula gives in plain order.
TEST(Adamw, EveryElementIsItsOwn) {
    ThreadPool pool(1);
    AdamwState together, alone;
    const AdamParams params{.learning_rate = 1e-2, .weight_decay = 0.1};
    adamw_step(pool, together.tensors(), params, 1, 0.5f);
    for (AdamwTensor tensor : alone.tensors()) {
        for (size_t i = 0; i < tensor.parameter.size(); i += 37) {
            const AdamwTensor one{tensor.parameter.subspan(i, 1), tensor.gradient.subspan(i, 1), tensor.m.subspan(i, 1),
                                  tensor.v.subspan(i, 1), tensor.decays};
            adamw_step(pool, {&one, 1}, params, 1, 0.5f);
        }
    }
    for (size_t tensor = 0; tensor < alone.p.size(); tensor++) {
        for (size_t i = 0; i < alone.p[tensor].size(); i += 37) {
            ASSERT_TRUE(math::same_bits(alone.p[tensor][i], together.p[tensor][i])) << tensor << " " << i;
        }
    }
}

TEST(Adamw, ALearningRateOfZeroChangesNoBit) {
    ThreadPool pool(2);
    AdamwState state;
    state.p[4][0] = -0.0f, state.p[4][1] = 1e-40f, state.g[4][2] = 0;
    const auto before = state.p;
    for (int64_t t = 1; t <= 1000; t += t < 10 ? 1 : 99) {
        adamw_step(pool, state.tensors(), {.learning_rate = 0, .weight_decay = 0.1}, t);
    }
    for (size_t i = 0; i < before.size(); i++) {
        EXPECT_TRUE(before[i].empty() || std::memcmp(before[i].data(), state.p[i].data(), 4 * before[i].size()) == 0);
    }
    EXPECT_NE(state.m[4][0], 0);
}

TEST(Adamw, OnlyTensorsThatDecayDecay) {
    ThreadPool pool(1);
    const std::vector<float> g(20);
    std::vector<float> matrix(20, 2), norm(20, 2), m(40), v(40);
    const AdamwTensor tensors[] = {{matrix, g, std::span(m).first(20), std::span(v).first(20)},
                                   {norm, g, std::span(m).last(20), std::span(v).last(20), false}};
    adamw_step(pool, tensors, {.learning_rate = 0.5, .weight_decay = 0.5}, 1);
    EXPECT_EQ(matrix, std::vector<float>(20, 1.5f));
    EXPECT_EQ(norm, std::vector<float>(20, 2));
}

TEST(GradientNorm, IsThatOfAllTensorsAndClipsOnlyWhatIsLarger) {
    ThreadPool pool(2);
    const AdamwState state;
    double squares = 0;
    for (const auto& g : state.g) {
        for (const float x : g) squares += double{x} * x;
    }
    const double norm = gradient_norm(pool, state.gradients());
    EXPECT_NEAR(norm / std::sqrt(squares), 1, 1e-12);
    EXPECT_EQ(clip_factor(norm, 0), 1);
    EXPECT_EQ(clip_factor(3, 3.1), 1);
    EXPECT_EQ(clip_factor(4, 1), static_cast<float>(1 / (4 + 1e-6)));
    EXPECT_EQ(gradient_norm(pool, {}), 0);
}

using Matrix = std::vector<std::vector<double>>;

Matrix times(const Matrix& a, const Matrix& b) {
    Matrix out(a.size(), std::vector<double>(b[0].size()));
    for (size_t i = 0; i < a.size(); i++) {
        for (size_t k = 0; k < b.size(); k++) {
            for (size_t j = 0; j < b[0].size(); j++) out[i][j] += a[i][k] * b[k][j];
        }
    }
    return out;
}

Matrix transposed(const Matrix& a) {
    Matrix out(a[0].size(), std::vector<double>(a.size()));
    for (size_t i = 0; i < a.size(); i++) {
        for (size_t j = 0; j < a[0].size(); j++) out[j][i] = a[i][j];
    }
    return out;
}

// X' = aX + (bA + cA^2) X with A = X X^T, from the published code's formula.
Matrix newton_schulz(Matrix x) {
    double squares = 0;
    for (const auto& row : x) {
        for (const double value : row) squares += value * value;
    }
    for (auto& row : x) {
        for (double& value : row) value /= std::sqrt(squares) + 1e-7;
    }
    for (int iteration = 0; iteration < 5; iteration++) {
        const Matrix a = times(x, transposed(x)), a2 = times(a, a);
        Matrix b = a;
        for (size_t i = 0; i < a.size(); i++) {
            for (size_t j = 0; j < a.size(); j++) b[i][j] = -4.7750 * a[i][j] + 2.0315 * a2[i][j];
        }
        const Matrix bx = times(b, x);
        for (size_t i = 0; i < x.size(); i++) {
            for (size_t j = 0; j < x[0].size(); j++) x[i][j] = 3.4445 * x[i][j] + bx[i][j];
        }
    }
    return x;
}

Matrix widened(const std::vector<float>& values, int64_t rows) {
    const size_t cols = values.size() / static_cast<size_t>(rows);
    Matrix out;
    for (size_t i = 0; i < static_cast<size_t>(rows); i++) {
        const auto begin = values.begin() + static_cast<ptrdiff_t>(i * cols);
        out.emplace_back(begin, begin + static_cast<ptrdiff_t>(cols));
    }
    return out;
}

TEST(Muon, OrthogonalisesAsNewtonAndSchulzInDouble) {
    for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{1, 1}, {5, 33}, {70, 40}, {64, 64}, {3, 200}}) {
        const auto x = random_values(rows * 1000 + cols, rows * cols);
        TestContext context;
        std::vector<float> y(x.size());
        orthogonalise(context.op, {x.data(), rows, cols}, {y.data(), rows, cols});
        const Matrix wide = newton_schulz(widened(x, rows));
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < cols; j++) {
                ASSERT_NEAR(y[static_cast<size_t>(i * cols + j)], wide[static_cast<size_t>(i)][static_cast<size_t>(j)],
                            2e-4)
                    << rows << "x" << cols;
            }
        }
    }
    // All singular values near 1: Y Y^T of a wide matrix is near the identity.
    const auto x = random_values(1, 16 * 300);
    TestContext context;
    std::vector<float> y(x.size());
    orthogonalise(context.op, {x.data(), 16, 300}, {y.data(), 16, 300});
    const Matrix gram = times(widened(y, 16), transposed(widened(y, 16)));
    for (size_t i = 0; i < 16; i++) {
        EXPECT_GT(gram[i][i], 0.45);
        EXPECT_LT(gram[i][i], 1.5);
    }
}

TEST(Muon, TheTransposedMatrixGivesTheTransposedBits) {
    const auto x = random_values(2, 30 * 50);
    std::vector<float> y(x.size()), tall(x.size()), tall_y(x.size());
    for (size_t i = 0; i < x.size(); i++) tall[i % 50 * 30 + i / 50] = x[i];
    TestContext context;
    orthogonalise(context.op, {x.data(), 30, 50}, {y.data(), 30, 50});
    orthogonalise(context.op, {tall.data(), 50, 30}, {tall_y.data(), 50, 30});
    for (size_t i = 0; i < x.size(); i++) ASSERT_TRUE(math::same_bits(tall_y[i % 50 * 30 + i / 50], y[i]));
}

TEST(Muon, StepsByTheFormulaWithTheSameBitsEverywhere) {
    constexpr int64_t kRows = 48, kCols = 130;
    const auto start = random_values(3, kRows * kCols), g = random_values(4, kRows * kCols);
    const MuonParams params{.learning_rate = 0.01, .weight_decay = 0.1};
    std::vector<float> expected;
    for (const math::KernelTable* table : math::runnable_kernel_tables()) {
        for (const int threads : {1, 2, 3}) {
            TestContext context(*table, threads);
            std::vector<float> p = start, momentum(p.size());
            for (int step = 0; step < 2; step++) {
                muon_step(context.op,
                          {{p.data(), kRows, kCols}, {g.data(), kRows, kCols}, {momentum.data(), kRows, kCols}}, params,
                          0.5f);
            }
            if (expected.empty()) expected = p;
            math::expect_same_bits(p, expected, fmt::format("{} {} threads", math::describe(*table), threads));
        }
    }
    // Every step's u is a multiple of g, whose direction alone counts.
    const Matrix direction = newton_schulz(widened(g, kRows));
    for (size_t i = 0; i < expected.size(); i++) {
        double p = start[i];
        for (int step = 0; step < 2; step++) {
            p -= 0.01 * (0.2 * std::sqrt(double{kCols}) * direction[i / kCols][i % kCols] + 0.1 * p);
        }
        ASSERT_NEAR(expected[i], p, 2e-5) << i;
    }
}

TEST(Muon, ManyMatricesStepAsEachAlone) {
    struct Case {
        int64_t rows, cols;
        std::vector<float> p, g, momentum;
    };
    std::vector<Case> cases;
    for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{48, 130}, {7, 3}, {300, 400}, {64, 64}}) {
        const auto seed = static_cast<uint64_t>(rows);
        cases.push_back({rows, cols, random_values(seed, rows * cols), random_values(seed + 1, rows * cols),
                         random_values(seed + 2, rows * cols)});
    }
    const MuonParams params{.learning_rate = 0.01, .weight_decay = 0.1};
    const auto views = [](std::vector<Case>& all) {
        std::vector<MuonMatrix> matrices;
        for (auto& [rows, cols, p, g, momentum] : all)
            matrices.push_back({{p.data(), rows, cols}, {g.data(), rows, cols}, {momentum.data(), rows, cols}});
        return matrices;
    };
    std::vector<Case> alone = cases;
    TestContext context(*math::runnable_kernel_tables().back(), 3);
    for (const MuonMatrix& matrix : views(alone)) muon_step(context.op, matrix, params, 0.5f);
    muon_steps(context.op, views(cases), params, 0.5f);
    for (size_t i = 0; i < cases.size(); i++) {
        math::expect_same_bits(cases[i].p, alone[i].p, "parameters");
        math::expect_same_bits(cases[i].momentum, alone[i].momentum, "momentum");
    }
}

TEST(Muon, LooksAheadByNesterov) {
    const auto g = random_values(5, 6 * 9), momentum_before = random_values(6, 6 * 9);
    std::vector<float> p(g.size()), momentum = momentum_before, u(g.size()), direction(g.size());
    for (size_t i = 0; i < g.size(); i++) u[i] = g[i] + 0.95f * (0.95f * momentum_before[i] + g[i]);
    TestContext context;
    muon_step(context.op, {{p.data(), 6, 9}, {g.data(), 6, 9}, {momentum.data(), 6, 9}}, {.learning_rate = 1});
    orthogonalise(context.op, {u.data(), 6, 9}, {direction.data(), 6, 9});
    for (size_t i = 0; i < g.size(); i++) EXPECT_FLOAT_EQ(p[i], -0.2f * 3 * direction[i]);
}

TEST(Muon, AccumulatesMomentumAndStandsStillAtLearningRateZero) {
    TestContext context;
    const std::vector<float> g = {1, -2, 0.5f, 4}, before = {-0.0f, 1e-40f, 3, -1};
    std::vector<float> p = before, momentum = {8, 0, 0, 1};
    muon_step(context.op, {{p.data(), 2, 2}, {g.data(), 2, 2}, {momentum.data(), 2, 2}}, {.learning_rate = 0}, 0.5f);
    EXPECT_EQ(std::memcmp(p.data(), before.data(), 4 * p.size()), 0);
    EXPECT_EQ(momentum, (std::vector<float>{0.95f * 8 + 0.5f, -1, 0.25f, 0.95f + 2}));
    std::vector<float> zero(4), still = before, at_rest(4);
    muon_step(context.op, {{still.data(), 2, 2}, {zero.data(), 2, 2}, {at_rest.data(), 2, 2}}, {.learning_rate = 1});
    EXPECT_EQ(still[2], 3);
}

}  // namespace
}  // namespace hone::train
