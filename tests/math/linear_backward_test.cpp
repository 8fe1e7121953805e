// linear_backward_input() and linear_backward_weight(): the bits of their definition for any ISA, rows and threads, golden
// values, finite differences; and the kernels that lay out their operands.

#include <array>

#include "gemm_fixture.h"
#include "golden_ops.h"
#include "math/ops/linear.h"

namespace hone::math {
namespace {

constexpr WeightFormat kFormats[] = {WeightFormat::f32, WeightFormat::bf16, WeightFormat::int4_g32};

PackedWeight packed_weight(WeightFormat format, int32_t n, int32_t k, uint64_t seed) {
    if (format == WeightFormat::int4_g32) return shipped_int4(seed, n, k);
    return PackedWeight(format, n, k, wide_values(seed, int64_t{n} * k));
}

// W [n, k] as the backward product sees it.
std::vector<float> backward_values(const Weight& weight) {
    std::vector<float> values(static_cast<size_t>(weight.n) * static_cast<size_t>(weight.k));
    for (int64_t row = 0; row < weight.n; row++) unpack_row(weight, row, &values[static_cast<size_t>(row * weight.k)]);
    if (weight.format == WeightFormat::int4_g32) {
        for (float& value : values) value = to_float(round_to_bf16(value));
    }
    return values;
}

// sum + a_0 b_0 + a_1 b_1 + ..., the chain of a class; a and b at strides.
float chain(float sum, bool rounds, int64_t count, const float* a, int64_t a_stride, const float* b, int64_t b_stride) {
    const auto operand = [&](const float* from, int64_t i, int64_t stride) {
        if (i >= count) return 0.0f;
        return rounds ? to_float(round_to_bf16(from[i * stride])) : from[i * stride];
    };
    const auto add = [&](int64_t i) { sum = std::fma(operand(a, i, a_stride), operand(b, i, b_stride), sum); };
    for (int64_t i = 0; i < count; i += rounds ? 2 : 1) {
        if (rounds) add(i + 1);
        add(i);
    }
    return sum;
}

// The definition of linear_backward_input for one weight.
void add_input_gradient(const std::vector<float>& dy, int64_t rows, const Weight& weight, std::vector<float>& dx) {
    const auto w = backward_values(weight);
    const int64_t n = weight.n, k = weight.k;
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t i = 0; i < k; i++) {
            float& sum = dx[static_cast<size_t>(row * k + i)];
            sum = chain(sum, weight.format != WeightFormat::f32, n, &dy[static_cast<size_t>(row * n)], 1,
                        &w[static_cast<size_t>(i)], k);
        }
    }
}

TEST(LinearBackward, InputGradientHasTheBitsOfItsDefinition) {
    flush_denormals();
    struct Case {
        int64_t rows;
        int32_t n, k;
    };
    // Of blocks of 512 along n, tasks of 64 columns of k, tiles of 6 rows and squares of 8 and 16: whole, cut and odd.
    for (const auto& [rows, n, k] : {Case{1, 1, 1}, Case{2, 64, 64}, Case{5, 17, 33}, Case{7, 100, 129},
                                     Case{13, 31, 70}, Case{3, 700, 96}, Case{3, 1025, 40}, Case{70, 48, 200}}) {
        for (const WeightFormat format : kFormats) {
            const PackedWeight weight = packed_weight(format, n, k, 1);
            const auto dy = wide_values(2, rows * n), start = wide_values(3, rows * k);
            auto expected = start;
            add_input_gradient(dy, rows, weight.weight, expected);
            for (const KernelTable* table : runnable_kernel_tables()) {
                for (const int threads : {1, 2, 3}) {
                    TestContext context(*table, threads);
                    auto dx = start;
                    linear_backward_input(context.op, {dy.data(), rows, n}, weight.weight, {dx.data(), rows, k});
                    expect_same_bits(dx, expected,
                                     fmt::format("{} {} threads={} M={} N={} K={}", describe(*table), name_of(format),
                                                 threads, rows, n, k));
                }
            }
        }
    }
}

TEST(LinearBackward, ManyRowsGoInBlocks) {
    flush_denormals();
    const int64_t rows = 1100;
    const PackedWeight weight(WeightFormat::bf16, 30, 70, wide_values(1, 30 * 70));
    const auto dy = wide_values(2, rows * 30);
    std::vector<float> expected(static_cast<size_t>(rows * 70));
    add_input_gradient(dy, rows, weight.weight, expected);
    for (const int threads : {1, 2}) {
        TestContext context(*runnable_kernel_tables().back(), threads);
        std::vector<float> dx(expected.size());
        linear_backward_input(context.op, {dy.data(), rows, 30}, weight.weight, {dx.data(), rows, 70});
        expect_same_bits(dx, expected, fmt::format("threads={}", threads));
    }
}

TEST(LinearBackward, SeveralMatricesOverOneInputAddInOrder) {
    // Gradients that are parts of one buffer, as those of query, key and value may be; dx with rows apart.
    flush_denormals();
    const int64_t rows = 9;
    const int32_t k = 96, total = 130 + 33 + 7;
    const PackedWeight packed[] = {packed_weight(WeightFormat::int4_g32, 130, k, 1),
                                   packed_weight(WeightFormat::bf16, 33, k, 2),
                                   packed_weight(WeightFormat::f32, 7, k, 3)};
    const auto all = wide_values(5, rows * total);
    std::vector<MatrixView<const float>> dy;
    std::vector<const Weight*> weights;
    std::vector<float> expected(static_cast<size_t>(rows * k), 3.0f);
    int64_t column = 0;
    for (const PackedWeight& weight : packed) {
        const int64_t n = weight.weight.n;
        dy.push_back({&all[static_cast<size_t>(column)], rows, n, total});
        weights.push_back(&weight.weight);
        std::vector<float> own;
        for (int64_t row = 0; row < rows; row++) own.insert(own.end(), dy.back().row(row), dy.back().row(row) + n);
        add_input_gradient(own, rows, weight.weight, expected);
        column += n;
    }
    for (const KernelTable* table : runnable_kernel_tables()) {
        for (const int threads : {1, 3}) {
            TestContext context(*table, threads);
            std::vector<float> dx(static_cast<size_t>(rows * (k + 3)), 3.0f);
            const MatrixView<float> view(dx.data(), rows, k, k + 3);
            linear_backward_input(context.op, dy, weights, view);
            for (int64_t row = 0; row < rows; row++) {
                expect_same_bits(view.row_span(row), std::span(expected).subspan(static_cast<size_t>(row * k), k),
                                 fmt::format("{} threads={} row {}", describe(*table), threads, row));
                for (int64_t guard = 0; guard < 3; guard++) EXPECT_EQ(view.row(row)[k + guard], 3.0f);
            }
        }
    }
}

TEST(LinearBackward, WeightGradientHasTheBitsOfItsDefinition) {
    flush_denormals();
    struct Case {
        int64_t rows, n, k;
    };
    for (const auto& [rows, n, k] : {Case{1, 1, 1}, Case{2, 64, 64}, Case{33, 17, 33}, Case{16, 100, 129},
                                     Case{70, 31, 70}, Case{129, 8, 200}, Case{2050, 13, 65}}) {
        const auto x = wide_values(1, rows * k), dy = wide_values(2, rows * n), start = wide_values(3, n * k);
        for (const GradientOperands operands : {GradientOperands::bf16, GradientOperands::fp32}) {
            auto expected = start;
            for (int64_t i = 0; i < n * k; i++) {
                expected[static_cast<size_t>(i)] =
                    chain(start[static_cast<size_t>(i)], operands == GradientOperands::bf16, rows, &dy[i / k], n,
                          &x[i % k], k);
            }
            for (const KernelTable* table : runnable_kernel_tables()) {
                for (const int threads : {1, 2, 3}) {
                    TestContext context(*table, threads);
                    auto dweight = start;
                    linear_backward_weight(context.op, operands, {x.data(), rows, k}, {dy.data(), rows, n},
                                           {dweight.data(), n, k});
                    expect_same_bits(dweight, expected,
                                     fmt::format("{} operands={} threads={} M={} N={} K={}", describe(*table),
                                                 static_cast<int>(operands), threads, rows, n, k));
                }
            }
        }
    }
}

TEST(LinearBackward, OperandsOfTheWeightGradientMayBeParts) {
    flush_denormals();
    const int64_t rows = 40, n = 20, k = 70, stride = 100;
    const auto padded = wide_values(1, rows * stride);
    std::vector<float> expected(static_cast<size_t>(n * k)), dweight(static_cast<size_t>(n * (k + 3)), 7.0f);
    for (int64_t i = 0; i < n * k; i++) {
        expected[static_cast<size_t>(i)] =
            chain(7.0f, true, rows, &padded[static_cast<size_t>(k + i / k)], stride, &padded[i % k], stride);
    }
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        std::ranges::fill(dweight, 7.0f);
        const MatrixView<float> view(dweight.data(), n, k, k + 3);
        linear_backward_weight(context.op, GradientOperands::bf16, {padded.data(), rows, k, stride},
                               {&padded[static_cast<size_t>(k)], rows, n, stride}, view);
        for (int64_t row = 0; row < n; row++) {
            expect_same_bits(view.row_span(row), std::span(expected).subspan(static_cast<size_t>(row * k), k),
                             describe(*table));
            for (int64_t guard = 0; guard < 3; guard++) EXPECT_EQ(view.row(row)[k + guard], 7.0f);
        }
    }
}

TEST(LinearBackward, NoRowsNoGradient) {
    TestContext context;
    const PackedWeight weight(WeightFormat::bf16, 8, 8);
    std::vector<float> dweight(64, 2.0f);
    linear_backward_input(context.op, {nullptr, 0, 8}, weight.weight, {nullptr, 0, 8});
    linear_backward_weight(context.op, GradientOperands::bf16, {nullptr, 0, 8}, {nullptr, 0, 8},
                           {dweight.data(), 8, 8});
    EXPECT_EQ(dweight, std::vector<float>(64, 2.0f));
}

TEST(LinearBackward, GoldenWithinTheFormatsError) {
    const GoldenOp golden("linear");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            const auto n = static_cast<int32_t>(golden.shape(name, "in/w")[0]);
            const auto k = static_cast<int32_t>(golden.shape(name, "in/w")[1]);
            const auto x = golden.values(name, "in/x"), dy = golden.values(name, "in/dy");
            const auto rows = static_cast<int64_t>(x.size()) / k;
            for (const bool rounds : {false, true}) {
                const PackedWeight weight(rounds ? WeightFormat::bf16 : WeightFormat::f32, n, k,
                                          golden.values(name, "in/w"));
                std::vector<float> dx(x.size()), dweight(static_cast<size_t>(n) * static_cast<size_t>(k));
                linear_backward_input(context.op, {dy.data(), rows, n}, weight.weight, {dx.data(), rows, k});
                linear_backward_weight(context.op, rounds ? GradientOperands::bf16 : GradientOperands::fp32,
                                       {x.data(), rows, k}, {dy.data(), rows, n}, {dweight.data(), n, k});
                const auto precision = rounds ? GoldenPrecision::bf16 : GoldenPrecision::fp32;
                golden.expect_within(name, "dx", dx, precision);
                golden.expect_within(name, "dw", dweight, precision);
            }
        }
    }
}

TEST(LinearBackward, AgreesWithFiniteDifferences) {
    // Of sum(dy * (x W^T)) in double. The loss is linear in x and in W, so that the differences have no error of theirs.
    for (const auto& [rows, n, k] : {std::array<int32_t, 3>{3, 5, 7}, {9, 20, 17}}) {
        auto x = random_values(1, rows * k), w = random_values(2, n * k);
        const auto dy = random_values(3, rows * n);
        const auto loss = [&] {
            double sum = 0;
            for (int32_t row = 0; row < rows; row++) {
                for (int32_t i = 0; i < n * k; i++)
                    sum += double{dy[row * n + i / k]} * double{x[row * k + i % k]} * double{w[i]};
            }
            return sum;
        };
        TestContext context;
        const PackedWeight weight(WeightFormat::f32, n, k, w);
        std::vector<float> dx(x.size()), dweight(w.size());
        linear_backward_input(context.op, {dy.data(), rows, n}, weight.weight, {dx.data(), rows, k});
        linear_backward_weight(context.op, GradientOperands::fp32, {x.data(), rows, k}, {dy.data(), rows, n},
                               {dweight.data(), n, k});
        const auto expect_derivatives = [&](std::vector<float>& values, const std::vector<float>& gradient) {
            for (size_t i = 0; i < values.size(); i++) {
                const float value = values[i];
                values[i] = value + 0.5f;
                const double above = loss(), step_above = double{values[i]} - double{value};
                values[i] = value - 0.5f;
                const double below = loss(), step_below = double{value} - double{values[i]};
                values[i] = value;
                EXPECT_NEAR(gradient[i], (above - below) / (step_above + step_below), 2e-5) << i;
            }
        };
        expect_derivatives(x, dx);
        expect_derivatives(w, dweight);
    }
}

}  // namespace
}  // namespace hone::math
