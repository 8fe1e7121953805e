#include <algorithm>
#include <set>

#include "cli/bench/kernel_cases.h"
#include "math/ops/linear.h"

namespace hone::cli {
namespace {

using math::MatrixView;

constexpr int32_t kInputRows[] = {32, 64, 128, 512};
constexpr int32_t kWeightRows[] = {512, 2048};
constexpr uint64_t kGradientSeed = 7, kInputSeed = 8;

// dX = dY W, on a weight that stays in the caches where it fits.
Result<BenchRow> measure_input(KernelStage& stage, const std::string& name, const MatrixShape& shape, int32_t rows) {
    auto memory = stage.numbers(math::packed_bytes(shape.format, shape.n, shape.k));
    if (!memory) return memory.error();
    const math::Weight weight{shape.format, shape.n, shape.k, memory->data()};
    const math::Workspace::Scope scope(stage.workspace());
    const auto dy = stage.workspace().matrix<float>(rows, shape.n);
    const auto dx = stage.workspace().matrix<float>(rows, shape.k),
               expected = stage.workspace().matrix<float>(1, shape.k);
    fill_normal(dy, kGradientSeed);
    fill_normal(dx, kInputSeed);
    math::OpContext context = stage.measured(), reference = stage.reference();
    for (const int64_t row : std::set<int64_t>{0, rows - 1}) {
        std::ranges::copy(dx.row_span(row), expected.row(0));
        math::linear_backward_input(reference, dy.rows_from(row, 1), weight, expected);
        // The row among all, added to what was there before.
        const auto all = stage.workspace().matrix<float>(rows, shape.k);
        std::ranges::copy(std::span(dx.data, static_cast<size_t>(rows * dx.cols)), all.data);
        math::linear_backward_input(context, dy, weight, all);
        if (const Status same = same_bits(name, all.row_span(row), expected.row_span(0)); !same) return same.error();
    }
    const double operations = 2.0 * rows * shape.n * shape.k;
    return stage.watch().rate(name, "GOP/s", operations / 1e9, {.bf16_ops = operations}, stage.repeats(),
                              [&] { math::linear_backward_input(context, dy, weight, dx); });
}

// dW = dY^T X.
Result<BenchRow> measure_weight(KernelStage& stage, const std::string& name, const MatrixShape& shape, int32_t rows) {
    const math::Workspace::Scope scope(stage.workspace());
    const auto x = stage.workspace().matrix<float>(rows, shape.k), dy = stage.workspace().matrix<float>(rows, shape.n);
    const auto dweight = stage.workspace().matrix<float>(shape.n, shape.k),
               expected = stage.workspace().matrix<float>(1, shape.k);
    fill_normal(x, kInputSeed);
    fill_normal(dy, kGradientSeed);
    math::OpContext context = stage.measured(), reference = stage.reference();
    const auto add = [&](math::OpContext& by, MatrixView<const float> gradient, MatrixView<float> to) {
        math::linear_backward_weight(by, math::GradientOperands::bf16, x, gradient, to);
    };
    std::ranges::fill(std::span(dweight.data, static_cast<size_t>(dweight.rows * dweight.cols)), 0.5f);
    add(context, dy, dweight);
    for (const int64_t row : std::set<int64_t>{0, shape.n - 1}) {
        std::ranges::fill(expected.row_span(0), 0.5f);
        add(reference, {dy.data + row, rows, 1, dy.stride}, expected);
        const Status same = same_bits(name, dweight.row_span(row), expected.row_span(0));
        if (!same) return same.error();
    }
    const double operations = 2.0 * rows * shape.n * shape.k;
    return stage.watch().rate(name, "GOP/s", operations / 1e9, {.bf16_ops = operations}, stage.repeats(),
                              [&] { add(context, dy, dweight); });
}

}  // namespace

std::vector<KernelCase> backward_cases(const math::KernelTable& kernels, const ZooShapes& shapes) {
    std::vector<KernelCase> cases;
    const auto add = [&](std::string_view op, const MatrixShape& shape, std::span<const int32_t> all_rows,
                         auto measure) {
        for (const int32_t rows : all_rows) {
            const std::string name = fmt::format("kernel/{}_{}__{}/m{}/{}x{}", op, math::name_of(shape.format),
                                                 math::name_of(kernels.isa), rows, shape.k, shape.n);
            cases.push_back({name, rows == 512 && is_largest(shape, shapes.matrices),
                             [=](KernelStage& stage) { return measure(stage, name, shape, rows); }});
        }
    };
    for (const MatrixShape& shape : shapes.matrices) {
        if (shape.is_head || shape.format == math::WeightFormat::f32) continue;
        add("linear_backward_input", shape, kInputRows, measure_input);
        // The gradient of a weight has no format.
        if (shape.format == math::WeightFormat::bf16) add("linear_backward_weight", shape, kWeightRows, measure_weight);
    }
    return cases;
}

}  // namespace hone::cli
