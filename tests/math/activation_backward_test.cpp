// The backward passes of SwiGLU and of the clamp: bits everywhere, golden gradients, differences, accumulation.

#include "golden_ops.h"
#include "gradient_check.h"
#include "math/ops/activation.h"

namespace hone::math {
namespace {

TEST(ActivationBackward, TheSameBitsEverywhere) {
    for (const int64_t cols : {1, 15, 16, 17, 33, 700}) {
        const int64_t rows = 40, stride = cols + 5, count = rows * stride;
        const auto gate = random_values(1, count, 20), up = random_values(2, count, 5), dy = random_values(3, count);
        const auto before = random_values(4, 3 * count);
        const auto run = [&](OpContext& op) {
            auto gradients = before;
            const auto view = [&](int64_t i) {
                return MatrixView<float>(gradients.data() + i * count, rows, cols, stride);
            };
            const MatrixView<const float> gate_view(gate.data(), rows, cols, stride);
            swiglu_backward(op, gate_view, {up.data(), rows, cols, stride}, {dy.data(), rows, cols, stride}, view(0),
                            view(1));
            clamp_backward(op, gate_view, 8, view(2));
            return gradients;
        };
        expect_same_everywhere(run, fmt::format("{} columns", cols));
    }
}

TEST(ActivationBackward, SwigluAgreesWithDifferencesAndAdds) {
    const int64_t rows = 4, cols = 21;
    const auto gate = random_values(5, rows * cols, 3), up = random_values(6, rows * cols);
    const auto dy = random_values(7, rows * cols);
    const auto gate_before = random_values(8, rows * cols), up_before = random_values(9, rows * cols);
    auto dgate = gate_before, dup = up_before;
    TestContext context;
    swiglu_backward(context.op, {gate.data(), rows, cols}, {up.data(), rows, cols}, {dy.data(), rows, cols},
                    {dgate.data(), rows, cols}, {dup.data(), rows, cols});
    auto wide_gate = widened(gate), wide_up = widened(up);
    const auto loss = [&] {
        double sum = 0;
        for (size_t i = 0; i < dy.size(); i++) sum += dy[i] * wide_gate[i] / (1 + std::exp(-wide_gate[i])) * wide_up[i];
        return sum;
    };
    expect_added(gate_before, dgate, numeric_gradient(wide_gate, loss), 1e-6, "dgate");
    expect_added(up_before, dup, numeric_gradient(wide_up, loss), 1e-6, "dup");
}

TEST(ActivationBackward, GoldenSwiglu) {
    const GoldenOp golden("swiglu");
    for (const auto& name : golden.cases()) {
        if (golden.attributes(name).at("clamped").as_bool()) continue;
        const Shape shape = golden.shape(name, "in/g");
        const auto gate = golden.values(name, "in/g"), up = golden.values(name, "in/u"),
                   dy = golden.values(name, "in/dy");
        std::vector<float> dgate(gate.size()), dup(up.size());
        const auto view = [&](auto& values) { return MatrixView(values.data(), shape[0], shape[1]); };
        TestContext context;
        swiglu_backward(context.op, view(gate), view(up), view(dy), view(dgate), view(dup));
        golden.expect_within(name, "dg", dgate, GoldenPrecision::fp32);
        golden.expect_within(name, "du", dup, GoldenPrecision::fp32);
    }
}

TEST(ActivationBackward, ClampPassesTheGradientUpToTheLimit) {
    const float above = std::nextafter(2.0f, 3.0f), infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> x{0, 2, -2, above, -above, 1, infinity, -infinity};
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        std::vector<float> dy{1, 2, 3, 4, 5, 6, 7, 8};
        clamp_backward(context.op, {x.data(), 2, 4}, 2, {dy.data(), 2, 4});
        EXPECT_EQ(dy, (std::vector<float>{1, 2, 3, 0, 0, 6, 0, 0})) << describe(*table);
    }
}

}  // namespace
}  // namespace hone::math
