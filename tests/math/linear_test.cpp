// linear(): golden values, rows and threads that change no bit, several matrices over one input.

#include "math/ops/linear.h"

#include "gemm_fixture.h"
#include "golden_ops.h"

namespace hone::math {
namespace {

// One row at a time through the kernel itself.
std::vector<float> row_by_row(OpContext& context, const std::vector<float>& x, const Weight& weight) {
    const MatrixProduct product = matrix_product(context, weight);
    std::vector<float> y;
    for (size_t at = 0; at < x.size(); at += static_cast<size_t>(weight.k)) {
        const std::vector<float> row(&x[at], &x[at] + weight.k);
        const auto values = multiply(product.gemm, prepare_block(product, row, 1, weight.k), 1, weight);
        y.insert(y.end(), values.begin(), values.end());
    }
    return y;
}

TEST(Linear, GoldenWithinTheFormatsError) {
    const GoldenOp golden("linear");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            const Shape shape = golden.shape(name, "in/x");
            const auto n = static_cast<int32_t>(golden.shape(name, "in/w")[0]);
            const auto k = static_cast<int32_t>(shape.back());
            auto x = golden.values(name, "in/x");
            const auto rows = static_cast<int64_t>(x.size()) / k;
            for (const WeightFormat format : {WeightFormat::f32, WeightFormat::bf16}) {
                const PackedWeight weight(format, n, k, golden.values(name, "in/w"));
                std::vector<float> y(static_cast<size_t>(rows * n));
                linear(context.op, {x.data(), rows, k}, weight.weight, {y.data(), rows, n});
                if (golden.has(name, "in/b")) {
                    const auto bias = golden.values(name, "in/b");
                    for (size_t i = 0; i < y.size(); i++) y[i] += bias[i % bias.size()];
                }
                golden.expect_within(name, "y", y,
                                     format == WeightFormat::f32 ? GoldenPrecision::fp32 : GoldenPrecision::bf16);
            }
        }
    }
}

TEST(Linear, RowsAndThreadsChangeNoBit) {
    flush_denormals();
    for (const ProductKind& kind : kProductKinds) {
        const int32_t n = 190, k = 161;
        const PackedWeight weight(kind.format, n, k, wide_values(1, n * k));
        for (const int64_t rows : {1, 2, 6, 11, 64, 131}) {
            const auto x = wide_values(2, rows * k);
            for (const KernelTable* table : runnable_kernel_tables()) {
                std::vector<float> expected;
                for (const int threads : {1, 2, 3}) {
                    TestContext context(*table, threads);
                    context.op.int4_class = kind.int4_class;
                    if (expected.empty()) expected = row_by_row(context.op, x, weight.weight);
                    std::vector<float> y(static_cast<size_t>(rows * n));
                    linear(context.op, {x.data(), rows, k}, weight.weight, {y.data(), rows, n});
                    expect_same_bits(y, expected,
                                     fmt::format("{} rows={} threads={}", describe(*table, kind), rows, threads));
                }
            }
        }
    }
}

TEST(Linear, ManyRowsGoInBlocks) {
    // Rows of 4096 values of bf16 fill the cache after 64, so there are several blocks even with one thread.
    flush_denormals();
    const int32_t n = 65, k = 4096;
    const int64_t rows = 131;
    const PackedWeight weight(WeightFormat::bf16, n, k, random_values(1, int64_t{n} * k));
    const auto x = random_values(2, rows * k);
    for (const int threads : {1, 2}) {
        TestContext context(*runnable_kernel_tables().back(), threads);
        std::vector<float> y(static_cast<size_t>(rows * n));
        linear(context.op, {x.data(), rows, k}, weight.weight, {y.data(), rows, n});
        expect_same_bits(y, row_by_row(context.op, x, weight.weight), fmt::format("threads={}", threads));
    }
}

TEST(Linear, SeveralMatricesOfAnyFormatOverOneInput) {
    flush_denormals();
    const int32_t k = 96;
    const PackedWeight a(WeightFormat::int4_g32, 130, k, wide_values(1, 130 * k)),
        b(WeightFormat::bf16, 33, k, wide_values(2, 33 * k)), c(WeightFormat::f32, 7, k, wide_values(3, 7 * k)),
        d(WeightFormat::int4_g32, 5, k, wide_values(4, 5 * k));
    const Weight* weights[] = {&a.weight, &b.weight, &c.weight, &d.weight};
    for (const int64_t rows : {1, 9}) {
        const auto x = wide_values(5, rows * k);
        for (const int threads : {1, 3}) {
            TestContext context(*runnable_kernel_tables().back(), threads);
            // Rows of each output are apart, as when they are parts of one buffer.
            std::vector<std::vector<float>> y;
            std::vector<MatrixView<float>> outputs;
            for (const Weight* weight : weights) y.emplace_back(static_cast<size_t>(rows * (weight->n + 3)), 77.0f);
            for (size_t i = 0; i < y.size(); i++)
                outputs.push_back({y[i].data(), rows, weights[i]->n, weights[i]->n + 3});
            linear(context.op, {x.data(), rows, k}, weights, outputs);
            for (size_t i = 0; i < y.size(); i++) {
                const auto expected = row_by_row(context.op, x, *weights[i]);
                for (int64_t row = 0; row < rows; row++) {
                    expect_same_bits(
                        outputs[i].row_span(row),
                        std::span(expected).subspan(static_cast<size_t>(row * weights[i]->n), weights[i]->n),
                        fmt::format("matrix {} rows={} threads={}", i, rows, threads));
                    for (int64_t guard = 0; guard < 3; guard++)
                        EXPECT_EQ(outputs[i].row(row)[weights[i]->n + guard], 77.0f);
                }
            }
        }
    }
}

TEST(Linear, InputRowsMayBeApart) {
    flush_denormals();
    const int32_t n = 40, k = 70;
    const int64_t rows = 8, stride = 75;
    const PackedWeight weight(WeightFormat::int4_g32, n, k, wide_values(1, n * k));
    const auto padded = wide_values(2, rows * stride);
    std::vector<float> x;
    for (int64_t row = 0; row < rows; row++) x.insert(x.end(), &padded[row * stride], &padded[row * stride] + k);
    TestContext context;
    std::vector<float> y(static_cast<size_t>(rows * n));
    linear(context.op, {padded.data(), rows, k, stride}, weight.weight, {y.data(), rows, n});
    expect_same_bits(y, row_by_row(context.op, x, weight.weight), "strided input");
}

}  // namespace
}  // namespace hone::math
