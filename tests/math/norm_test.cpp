// RMS norm: bits on every ISA, golden values, and ops over rows and heads.

#include "math/ops/norm.h"

#include "golden_ops.h"
#include "test_context.h"

namespace hone::math {
namespace {

TEST(Norm, EveryIsaGivesTheBitsOfTheReference) {
    flush_denormals();
    const RowKernels& reference = runnable_kernel_tables().front()->rows;
    for (const int64_t n : {1, 7, 15, 16, 17, 31, 64, 100, 2048, 4099}) {
        const auto x = random_values(n, n, 3), weight = random_values(n + 1, n);
        for (const bool one_plus : {false, true}) {
            std::vector<float> expected(x.size()), actual(x.size());
            reference.rms_norm.run(x.data(), weight.data(), 1e-6f, one_plus, expected.data(), n);
            for (const KernelTable* table : runnable_kernel_tables()) {
                table->rows.rms_norm.run(x.data(), weight.data(), 1e-6f, one_plus, actual.data(), n);
                expect_same_bits(actual, expected, fmt::format("{} n={}", table->rows.rms_norm.name, n));
            }
        }
    }
}

TEST(Norm, SumsInSixteenLanesAndHalves) {
    // 2^24 in lane 0, 1 in lane 8 and 1 in lane 4: lane 0 takes in lane 8 first, and a 1 is lost to rounding each time.
    flush_denormals();
    std::vector<float> x(16), weight(16, 1.0f), y(16);
    x[0] = 4096, x[8] = 1, x[4] = 1;
    for (const KernelTable* table : runnable_kernel_tables()) {
        table->rows.rms_norm.run(x.data(), weight.data(), 0, false, y.data(), 16);
        EXPECT_EQ(y[0], 4.0f) << table->rows.rms_norm.name;  // sqrt(2^24 / 16) = 1024
    }
    x = std::vector<float>(16), x[0] = 4096, x[8] = 1, x[4] = 1, x[12] = 1;  // lanes 4 and 12 make 2, which is not lost
    for (const KernelTable* table : runnable_kernel_tables()) {
        table->rows.rms_norm.run(x.data(), weight.data(), 0, false, y.data(), 16);
        EXPECT_EQ(y[0], 4096 * (1.0f / std::sqrt(16777218.0f / 16))) << table->rows.rms_norm.name;
    }
}

TEST(Norm, Golden) {
    const GoldenOp golden("rms_norm");
    const auto epsilon = golden.manifest().at("eps").to_number<float>();
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            const Shape shape = golden.shape(name, "in/x");
            auto x = golden.values(name, "in/x");
            const auto weight = golden.values(name, "in/w");
            const auto kind =
                golden.attributes(name).at("plus_one").as_bool() ? NormWeight::one_plus : NormWeight::plain;
            const MatrixView<float> view(x.data(), shape[0], shape[1]);
            rms_norm(context.op, view, weight, epsilon, kind, view);
            golden.expect_within(name, "y", x, GoldenPrecision::fp32);
        }
    }
}

TEST(Norm, GoldenOfHeads) {
    const GoldenOp golden("qk_norm");
    const auto epsilon = golden.manifest().at("eps").to_number<float>();
    TestContext context;
    for (const auto& name : golden.cases()) {
        const Shape shape = golden.shape(name, "in/x");
        auto x = golden.values(name, "in/x");
        const auto weight = golden.values(name, "in/w");
        const auto kind = golden.attributes(name).at("plus_one").as_bool() ? NormWeight::one_plus : NormWeight::plain;
        rms_norm_heads(context.op, {x.data(), shape[0], shape[1] * shape[2]}, weight, epsilon, kind);
        golden.expect_within(name, "y", x, GoldenPrecision::fp32);
    }
}

TEST(Norm, RowsDoNotDependOnThreadsOrNeighbours) {
    const int64_t rows = 100, cols = 1000, stride = 1003;  // enough work for the pool
    const auto x = random_values(1, rows * stride);
    const auto weight = random_values(2, cols);
    std::vector<float> alone(static_cast<size_t>(rows * cols));
    for (int64_t i = 0; i < rows; i++) {
        TestContext context;
        rms_norm(context.op, {x.data() + i * stride, 1, cols}, weight, 1e-5f, NormWeight::plain,
                 {alone.data() + i * cols, 1, cols});
    }
    for (const int threads : {1, 2, 3}) {
        TestContext context(*runnable_kernel_tables().back(), threads);
        std::vector<float> y(alone.size());
        rms_norm(context.op, {x.data(), rows, cols, stride}, weight, 1e-5f, NormWeight::plain, {y.data(), rows, cols});
        expect_same_bits(y, alone, fmt::format("{} threads", threads));
    }
}

}  // namespace
}  // namespace hone::math
