// Elementwise kernels and ops: bits on every ISA, golden SwiGLU, aliasing.

#include "math/ops/activation.h"

#include "golden_ops.h"
#include "test_context.h"

namespace hone::math {
namespace {

TEST(Activation, EveryIsaGivesTheBitsOfTheReference) {
    flush_denormals();
    const RowKernels& reference = runnable_kernel_tables().front()->rows;
    for (const int64_t n : {1, 5, 15, 16, 17, 33, 100, 768}) {
        const auto a = random_values(n, n, 20), b = random_values(n + 1, n, 20);
        const auto all_results = [&](const RowKernels& rows) {
            std::vector<float> results(static_cast<size_t>(5 * n));
            rows.swiglu.run(a.data(), b.data(), results.data(), n);
            float* x = results.data() + n;
            std::copy(a.begin(), a.end(), x);
            rows.add.run(b.data(), x, n);
            x += n;
            std::copy(a.begin(), a.end(), x);
            rows.clamp.run(8, x, n);
            x += n;
            std::copy(a.begin(), a.end(), x);
            rows.scale.run(0.3f, x, n);
            x += n;
            std::vector<bf16> rounded(static_cast<size_t>(n));
            rows.round_bf16.run(a.data(), rounded.data(), n);
            rows.widen_bf16.run(rounded.data(), x, n);
            return results;
        };
        const auto expected = all_results(reference);
        for (const KernelTable* table : runnable_kernel_tables()) {
            expect_same_bits(all_results(table->rows), expected, fmt::format("{} n={}", describe(*table), n));
        }
    }
}

TEST(Activation, RoundingToBf16IsToNearestEvenOnEveryIsa) {
    flush_denormals();
    std::vector<float> x;
    for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 0x7fff) {  // hits ties, denormals, infinities and NaNs
        x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
    }
    const auto n = static_cast<int64_t>(x.size());
    std::vector<bf16> rounded(x.size());
    for (const KernelTable* table : runnable_kernel_tables()) {
        table->rows.round_bf16.run(x.data(), rounded.data(), n);
        for (size_t i = 0; i < x.size(); i++) {
            ASSERT_EQ(rounded[i].bits, round_to_bf16(x[i]).bits) << table->rows.round_bf16.name << " " << x[i];
        }
    }
}

TEST(Activation, GoldenSwiglu) {
    const GoldenOp golden("swiglu");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            if (golden.attributes(name).at("clamped").as_bool()) continue;
            const Shape shape = golden.shape(name, "in/g");
            auto gate = golden.values(name, "in/g"), up = golden.values(name, "in/u");
            const MatrixView<float> gate_view(gate.data(), shape[0], shape[1]), up_view(up.data(), shape[0], shape[1]);
            swiglu(context.op, gate_view, up_view, gate_view);
            golden.expect_within(name, "y", gate, GoldenPrecision::fp32);
        }
    }
}

TEST(Activation, OpsOverStridedRowsAndThreads) {
    const int64_t rows = 64, cols = 700, stride = 720;
    const auto x = random_values(1, rows * stride, 5), y = random_values(2, rows * stride, 5);
    const auto run = [&](int threads) {
        TestContext context(*runnable_kernel_tables().back(), threads);
        auto result = x;
        const MatrixView<float> view(result.data(), rows, cols, stride);
        const MatrixView<const float> other(y.data(), rows, cols, stride);
        add(context.op, other, view);
        clamp(context.op, 6, view);
        swiglu(context.op, view, other, view);
        return result;
    };
    const auto one = run(1);
    EXPECT_EQ(one[cols], x[cols]);  // between the rows nothing changes
    const float sum = std::min(std::max(x[0] + y[0], -6.0f), 6.0f);
    EXPECT_NEAR(one[0], sum / (1 + std::exp(-sum)) * y[0], 1e-5f);
    expect_same_bits(run(2), one, "2 threads");
    expect_same_bits(run(3), one, "3 threads");
}

}  // namespace
}  // namespace hone::math
