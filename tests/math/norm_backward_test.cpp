// The backward pass of RMS norm over rows and heads: bits everywhere, golden gradients, differences, accumulation.

#include "golden_ops.h"
#include "gradient_check.h"
#include "math/ops/norm.h"

namespace hone::math {
namespace {

constexpr float kEpsilon = 1e-6f;

// sum of dy * norm(x) over rows of heads, in double.
double weighted_output(std::span<const double> x, std::span<const double> weight, NormWeight kind,
                       std::span<const double> dy) {
    double sum = 0;
    const size_t d = weight.size();
    for (size_t head = 0; head < x.size(); head += d) {
        double squares = 0;
        for (size_t i = 0; i < d; i++) squares += x[head + i] * x[head + i];
        const double factor = 1 / std::sqrt(squares / static_cast<double>(d) + double{kEpsilon});
        for (size_t i = 0; i < d; i++)
            sum += dy[head + i] * x[head + i] * factor * (kind == NormWeight::one_plus ? 1 + weight[i] : weight[i]);
    }
    return sum;
}

TEST(NormBackward, TheSameBitsEverywhere) {
    struct Case {
        int64_t rows, heads, dim;
    };
    for (const Case c : {Case{1, 1, 1}, Case{3, 1, 15}, Case{33, 2, 17}, Case{5, 4, 100}, Case{100, 3, 128}}) {
        const int64_t cols = c.heads * c.dim, stride = cols + 3;
        const auto x = random_values(1, c.rows * stride, 3), dy = random_values(2, c.rows * stride);
        const auto weight = random_values(3, c.dim);
        const auto before = random_values(4, c.rows * stride + c.dim);
        for (const NormWeight kind : {NormWeight::plain, NormWeight::one_plus}) {
            for (const bool frozen : {false, true}) {
                const auto run = [&](OpContext& op) {
                    auto gradients = before;
                    const std::span<float> dweight(gradients.data() + c.rows * stride, frozen ? 0 : c.dim);
                    rms_norm_heads_backward(op, {x.data(), c.rows, cols, stride}, weight, kEpsilon, kind,
                                            {dy.data(), c.rows, cols, stride}, {gradients.data(), c.rows, cols, stride},
                                            dweight);
                    return gradients;
                };
                expect_same_everywhere(run, fmt::format("{} rows, {} heads of {}", c.rows, c.heads, c.dim));
            }
        }
    }
}

TEST(NormBackward, AgreesWithDifferencesAndAdds) {
    for (const int64_t heads : {1, 3}) {
        for (const NormWeight kind : {NormWeight::plain, NormWeight::one_plus}) {
            const int64_t rows = 5, dim = 19, cols = heads * dim;
            const auto x = random_values(10, rows * cols, 2), dy = random_values(11, rows * cols);
            const auto weight = random_values(12, dim), before = random_values(13, rows * cols);
            const std::vector<float> weight_before(before.begin(), before.begin() + dim);
            auto dx = before, dweight = weight_before;
            TestContext context;
            rms_norm_heads_backward(context.op, {x.data(), rows, cols}, weight, kEpsilon, kind, {dy.data(), rows, cols},
                                    {dx.data(), rows, cols}, dweight);
            auto wide_x = widened(x), wide_weight = widened(weight);
            const auto wide_dy = widened(dy);
            const auto loss = [&] { return weighted_output(wide_x, wide_weight, kind, wide_dy); };
            expect_added(before, dx, numeric_gradient(wide_x, loss), 1e-6, "dx");
            expect_added(weight_before, dweight, numeric_gradient(wide_weight, loss), 1e-6, "dweight");
        }
    }
}

TEST(NormBackward, Golden) {
    const GoldenOp golden("rms_norm");
    const auto epsilon = golden.manifest().at("eps").to_number<float>();
    for (const auto& name : golden.cases()) {
        const Shape shape = golden.shape(name, "in/x");
        const auto x = golden.values(name, "in/x"), weight = golden.values(name, "in/w"),
                   dy = golden.values(name, "in/dy");
        const auto kind = golden.attributes(name).at("plus_one").as_bool() ? NormWeight::one_plus : NormWeight::plain;
        std::vector<float> dx(x.size()), dweight(weight.size());
        TestContext context;
        rms_norm_backward(context.op, {x.data(), shape[0], shape[1]}, weight, epsilon, kind,
                          {dy.data(), shape[0], shape[1]}, {dx.data(), shape[0], shape[1]}, dweight);
        golden.expect_within(name, "dx", dx, GoldenPrecision::fp32);
        golden.expect_within(name, "dw", dweight, GoldenPrecision::fp32);
    }
}

TEST(NormBackward, GoldenOfHeads) {
    const GoldenOp golden("qk_norm");
    const auto epsilon = golden.manifest().at("eps").to_number<float>();
    for (const auto& name : golden.cases()) {
        const Shape shape = golden.shape(name, "in/x");
        const int64_t cols = shape[1] * shape[2];
        const auto x = golden.values(name, "in/x"), weight = golden.values(name, "in/w"),
                   dy = golden.values(name, "in/dy");
        const auto kind = golden.attributes(name).at("plus_one").as_bool() ? NormWeight::one_plus : NormWeight::plain;
        std::vector<float> dx(x.size()), dweight(weight.size());
        TestContext context;
        rms_norm_heads_backward(context.op, {x.data(), shape[0], cols}, weight, epsilon, kind,
                                {dy.data(), shape[0], cols}, {dx.data(), shape[0], cols}, dweight);
        golden.expect_within(name, "dx", dx, GoldenPrecision::fp32);
        golden.expect_within(name, "dw", dweight, GoldenPrecision::fp32);
    }
}

}  // namespace
}  // namespace hone::math
