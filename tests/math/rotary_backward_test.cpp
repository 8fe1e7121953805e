// The backward pass of rotary: bits everywhere, golden gradients, differences, and that turning back undoes turning.

#include "golden_ops.h"
#include "gradient_check.h"
#include "math/ops/rotary.h"

namespace hone::math {
namespace {

RotarySpec spec_of(int32_t head_dim, int32_t rotary_dim, bool interleaved, float scale, float theta = 10000) {
    return {.head_dim = head_dim,
            .interleaved = interleaved,
            .scale = scale,
            .inverse_frequencies = rotary_inverse_frequencies(theta, rotary_dim)};
}

std::vector<int32_t> positions_of(int64_t rows) {
    std::vector<int32_t> positions;
    for (int64_t i = 0; i < rows; i++) positions.push_back(static_cast<int32_t>(i * 977 % 4001));
    return positions;
}

// sum of dy * rotary(x), in double.
double weighted_output(const RotarySpec& spec, std::span<const int32_t> positions, int64_t heads,
                       const std::vector<double>& x, std::span<const float> dy) {
    const size_t half = spec.inverse_frequencies.size();
    const size_t head_dim = static_cast<size_t>(spec.head_dim);
    double sum = 0;
    for (size_t head = 0; head < x.size() / head_dim; head++) {
        const double* in = &x[head * head_dim];
        const float* out = &dy[head * head_dim];
        for (size_t i = 0; i < half; i++) {
            const float position = static_cast<float>(positions[head / static_cast<size_t>(heads)]);
            const double angle = double{position * spec.inverse_frequencies[i]};
            const double c = spec.scale * std::cos(angle), s = spec.scale * std::sin(angle);
            const size_t a = spec.interleaved ? 2 * i : i, b = spec.interleaved ? 2 * i + 1 : i + half;
            sum += out[a] * (in[a] * c - in[b] * s) + out[b] * (in[b] * c + in[a] * s);
        }
        for (size_t i = 2 * half; i < head_dim; i++) sum += out[i] * in[i];
    }
    return sum;
}

TEST(RotaryBackward, TheSameBitsEverywhere) {
    for (const bool interleaved : {false, true}) {
        for (const int32_t head_dim : {2, 24, 80}) {
            const int64_t rows = 100, cols = 3 * head_dim;
            const auto spec = spec_of(head_dim, head_dim / 4 * 2, interleaved, 1.25f);
            const auto dy = random_values(1, rows * cols);
            const auto positions = positions_of(rows);
            const auto run = [&](OpContext& op) {
                auto gradient = dy;
                rotary_backward(op, positions, spec, {gradient.data(), rows, cols});
                return gradient;
            };
            expect_same_everywhere(run, fmt::format("heads of {}", head_dim));
        }
    }
}

TEST(RotaryBackward, AgreesWithDifferences) {
    for (const bool interleaved : {false, true}) {
        const int64_t rows = 3, heads = 2;
        const auto spec = spec_of(14, 10, interleaved, 0.8f);
        const auto dy = random_values(2, rows * heads * spec.head_dim);
        const auto positions = positions_of(rows);
        auto dx = dy;
        TestContext context;
        rotary_backward(context.op, positions, spec, {dx.data(), rows, heads * spec.head_dim});
        auto x = widened(random_values(3, rows * heads * spec.head_dim));
        const auto expected = numeric_gradient(x, [&] { return weighted_output(spec, positions, heads, x, dy); });
        expect_added(std::vector<float>(dx.size()), dx, expected, 1e-6, "dx");
    }
}

TEST(RotaryBackward, UndoesTheForwardPass) {
    const int64_t rows = 7;
    const auto spec = spec_of(64, 64, false, 1);
    const auto x = random_values(4, rows * spec.head_dim);
    auto turned = x;
    TestContext context;
    rotary(context.op, positions_of(rows), spec, {turned.data(), rows, spec.head_dim});
    rotary_backward(context.op, positions_of(rows), spec, {turned.data(), rows, spec.head_dim});
    for (size_t i = 0; i < x.size(); i++) EXPECT_NEAR(turned[i], x[i], 2e-6f);
}

TEST(RotaryBackward, Golden) {
    const GoldenOp golden("rope");
    for (const auto& name : golden.cases()) {
        const Shape shape = golden.shape(name, "in/dy");
        auto dx = golden.values(name, "in/dy");
        const auto& attributes = golden.attributes(name);
        const auto spec = spec_of(static_cast<int32_t>(shape[2]), attributes.at("rotary_dim").to_number<int32_t>(),
                                  attributes.at("interleaved").as_bool(), 1, attributes.at("theta").to_number<float>());
        TestContext context;
        rotary_backward(context.op, golden.values<int32_t>(name, "in/positions"), spec,
                        {dx.data(), shape[0], shape[1] * shape[2]});
        golden.expect_within(name, "dx", dx, GoldenPrecision::fp32);
    }
}

}  // namespace
}  // namespace hone::math
