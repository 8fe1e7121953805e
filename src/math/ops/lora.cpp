#include "math/ops/lora.h"

#include <algorithm>

#include "math/ops/linear.h"
#include "math/ops/lora_part.h"
#include "math/ops/matrix_product.h"
#include "math/ops/parallel.h"
#include "math/ops/phase_clock.h"

namespace hone::math {

static void check_factors(const LoraWeights& weights, int64_t n, int64_t k) {
    const auto& [a, b, scale] = weights;
    CHECK(a.format == WeightFormat::f32 && b.format == WeightFormat::f32 && a.k == k && b.n == n && a.n == b.k,
          "factors [{}, {}] {} and [{}, {}] {} of a matrix [{}, {}]", a.n, a.k, name_of(a.format), b.n, b.k,
          name_of(b.format), n, k);
}

LoraPart LoraPart::take(Workspace& workspace, const LoraWeights& weights, int64_t rows, int64_t n, int64_t k) {
    check_factors(weights, n, k);
    const int64_t bytes = rows * activation_row_bytes(ActivationFormat::f32, weights.a.n);
    return {.weights = &weights, .rows = rows, .h = workspace.vector<std::byte>(bytes).data()};
}

void LoraPart::project(const KernelTable& kernels, const std::byte* x, float* scratch) const {
    const Weight& a = weights->a;
    kernels.gemm.f32_f32.run({.activations = x,
                              .rows = static_cast<int32_t>(rows),
                              .weight = a.data,
                              .n = a.n,
                              .k = a.k,
                              .first_panel = 0,
                              .panels = static_cast<int32_t>(panel_count(a)),
                              .y = scratch,
                              .y_stride = a.n,
                              .next = weights->b.data});
    kernels.rows.scale.run(weights->scale, scratch, rows * a.n);
    for (int64_t row = 0; row < rows; row++) {
        const auto lines = row_lines(ActivationFormat::f32, a.n, h, rows, row);
        kernels.gemm.prepare_f32.run(scratch + row * a.n, a.n, lines.first, lines.stride);
    }
}

void LoraPart::add(const KernelTable& kernels, int64_t column, int64_t columns, float* y, int64_t y_stride) const {
    constexpr int64_t kWidth = kF32Panel.columns;
    const Weight& b = weights->b;
    CHECK(column % kWidth == 0 && (columns % kWidth == 0 || column + columns == b.n), "columns {}+{} of {}", column,
          columns, b.n);
    kernels.gemm.f32_f32.run({.activations = h,
                              .rows = static_cast<int32_t>(rows),
                              .weight = b.data,
                              .n = b.n,
                              .k = b.k,
                              .first_panel = static_cast<int32_t>(column / kWidth),
                              .panels = static_cast<int32_t>((columns + kWidth - 1) / kWidth),
                              .y = y,
                              .y_stride = y_stride,
                              .adds = true});
}

namespace {

// A part, and which rows of x and of which output it is for.
struct OutputPart {
    LoraPart part;
    int64_t first_row;
    MatrixView<float> y;
};

std::span<OutputPart> cut_into_parts(Workspace& workspace, MatrixView<const float> x, std::span<const LoraRun> runs,
                                     std::span<const MatrixView<float>> outputs) {
    int64_t most = 0;
    for (const LoraRun& run : runs) most += (run.rows + kLoraPartRows - 1) / kLoraPartRows * std::ssize(outputs);
    std::span<OutputPart> parts = workspace.vector<OutputPart>(most);
    size_t count = 0;
    for (const LoraRun& run : runs) {
        CHECK_EQ(run.weights.size(), outputs.size());
        CHECK(run.first_row >= 0 && run.first_row + run.rows <= x.rows, "rows {}+{} of {}", run.first_row, run.rows,
              x.rows);
        for (int64_t first = 0; first < run.rows; first += kLoraPartRows) {
            const int64_t rows = std::min(kLoraPartRows, run.rows - first);
            for (size_t i = 0; i < outputs.size(); i++) {
                if (run.weights[i] == nullptr) continue;
                parts[count++] = {LoraPart::take(workspace, *run.weights[i], rows, outputs[i].cols, x.cols),
                                  run.first_row + first, outputs[i]};
            }
        }
    }
    return parts.first(count);
}

void project(OpContext& context, MatrixView<const float> x, std::span<const OutputPart> parts) {
    int64_t most_rows = 0, most_rank = 0, work = 0;
    for (const auto& [part, first_row, y] : parts) {
        most_rows = std::max(most_rows, part.rows);
        most_rank = std::max<int64_t>(most_rank, part.weights->a.n);
        work += (1 + part.rows / 4) * x.cols * part.weights->a.n;
    }
    const int threads = context.pool.threads();
    const int64_t row_bytes = activation_row_bytes(ActivationFormat::f32, x.cols);
    const auto tiles = context.workspace.matrix<std::byte>(threads, most_rows * row_bytes);
    const auto scratch = context.workspace.matrix<float>(threads, most_rows * most_rank);
    for_tiles(context, std::ssize(parts), work, [&](int64_t i, int worker) {
        const auto& [part, first_row, y] = parts[static_cast<size_t>(i)];
        for (int64_t row = 0; row < part.rows; row++) {
            const auto lines = row_lines(ActivationFormat::f32, x.cols, tiles.row(worker), part.rows, row);
            context.kernels.gemm.prepare_f32.run(x.row(first_row + row), x.cols, lines.first, lines.stride);
        }
        part.project(context.kernels, tiles.row(worker), scratch.row(worker));
    });
}

void scale(OpContext& context, float factor, MatrixView<float> x) {
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        context.kernels.rows.scale.run(factor, x.row(first), count * x.cols);
    });
}

// g = s (dy B) of a run's rows.
MatrixView<float> gradient_of_h(OpContext& context, const LoraWeights& weights, MatrixView<const float> dy) {
    const auto g = context.workspace.matrix<float>(dy.rows, weights.b.k);
    std::fill_n(g.data, g.rows * g.cols, 0.0f);
    linear_backward_input(context, dy, weights.b, g);
    scale(context, weights.scale, g);
    return g;
}

void scale_rows(OpContext& context, std::span<const float> factors, MatrixView<float> x) {
    if (factors.empty()) return;
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t row = first; row < first + count; row++)
            context.kernels.rows.scale.run(factors[static_cast<size_t>(row)], x.row(row), x.cols);
    });
}

// A run's rows of matrices over one input x, those that are adapted.
struct BackwardRun {
    MatrixView<const float> x;
    std::span<const LoraWeights*> weights;
    std::span<const Weight*> a;
    std::span<MatrixView<const float>> dy, g_read;
    std::span<MatrixView<float>> g, h;
    std::span<LoraGradients> gradients;

    void add_factor_gradients(OpContext& context, std::span<const float> row_factors) const;
    void project_rows(OpContext& context) const;
};

// h = x A, some rows at a time: they are laid out for the product, which would take as much memory as all of x.
void BackwardRun::project_rows(OpContext& context) const {
    constexpr int64_t kRows = 2048;
    for (size_t i = 0; i < h.size(); i++) h[i] = context.workspace.matrix<float>(x.rows, weights[i]->a.n);
    const auto part = context.workspace.vector<MatrixView<float>>(std::ssize(h));
    for (int64_t first = 0; first < x.rows; first += kRows) {
        const int64_t rows = std::min(kRows, x.rows - first);
        for (size_t i = 0; i < h.size(); i++) part[i] = h[i].rows_from(first, rows);
        linear(context, x.rows_from(first, rows), a, part);
    }
}

// Adds to the gradients of the factors what the rows of a run say. Scales g.
void BackwardRun::add_factor_gradients(OpContext& context, std::span<const float> row_factors) const {
    const Workspace::Scope scope(context.workspace);
    const auto da = context.workspace.vector<MatrixView<float>>(std::ssize(gradients));
    for (size_t i = 0; i < gradients.size(); i++) {
        scale_rows(context, row_factors, g[i]);
        da[i] = gradients[i].da;
    }
    linear_backward_weights(context, GradientOperands::fp32, x, g_read, da);
    const auto wants_b = [](const LoraGradients& wanted) { return wanted.db.data != nullptr; };
    if (std::ranges::none_of(gradients, wants_b)) return;
    project_rows(context);
    for (size_t i = 0; i < h.size(); i++) {
        if (!wants_b(gradients[i])) continue;
        scale(context, weights[i]->scale, h[i]);
        scale_rows(context, row_factors, h[i]);
        linear_backward_weight(context, GradientOperands::fp32, h[i], dy[i], gradients[i].db);
    }
}

}  // namespace

void lora_linear(OpContext& context, MatrixView<const float> x, std::span<const LoraRun> runs,
                 std::span<const MatrixView<float>> outputs) {
    const PhaseScope phase(context, Phase::lora);
    const Workspace::Scope scope(context.workspace);
    const std::span<const OutputPart> parts = cut_into_parts(context.workspace, x, runs, outputs);
    if (parts.empty()) return;
    project(context, x, parts);

    const auto count = static_cast<int64_t>(parts.size());
    const int64_t splits = std::max<int64_t>(1, (wanted_tasks(context.pool.threads()) + count - 1) / count);
    int64_t work = 0;
    for (const auto& [part, first_row, y] : parts) work += (1 + part.rows / 4) * y.cols * part.weights->a.n;
    for_tiles(context, count * splits, work, [&](int64_t task, int) {
        const auto& [part, first_row, y] = parts[static_cast<size_t>(task / splits)];
        const int64_t panels = panel_count(part.weights->b), width = kF32Panel.columns;
        const EvenSplit cuts{panels, std::min(splits, panels)};
        const int64_t cut = task % splits;
        if (cut >= cuts.parts) return;
        const int64_t column = cuts.first(cut) * width;
        part.add(context.kernels, column, std::min(cuts.size(cut) * width, y.cols - column), y.row(first_row) + column,
                 y.stride);
    });
}

void lora_linear_backward(OpContext& context, MatrixView<const float> x, std::span<const LoraRun> runs,
                          std::span<const MatrixView<const float>> dy, MatrixView<float> dx,
                          std::span<const LoraGradients> gradients, std::span<const float> row_factors) {
    CHECK(gradients.empty() || gradients.size() == runs.size() * dy.size(), "{} gradients for {} runs of {} matrices",
          gradients.size(), runs.size(), dy.size());
    const PhaseScope phase(context, Phase::lora);
    Workspace& workspace = context.workspace;
    for (size_t run = 0; run < runs.size(); run++) {
        const auto& [first, rows, weights] = runs[run];
        CHECK_EQ(weights.size(), dy.size());
        const Workspace::Scope scope(workspace);
        const auto count =
            std::ranges::count_if(weights, [](const LoraWeights* factors) { return factors != nullptr; });
        const BackwardRun part{.x = x.rows_from(first, rows),
                               .weights = workspace.vector<const LoraWeights*>(count),
                               .a = workspace.vector<const Weight*>(count),
                               .dy = workspace.vector<MatrixView<const float>>(count),
                               .g_read = workspace.vector<MatrixView<const float>>(count),
                               .g = workspace.vector<MatrixView<float>>(count),
                               .h = workspace.vector<MatrixView<float>>(count),
                               .gradients = workspace.vector<LoraGradients>(count)};
        for (size_t i = 0, next = 0; i < dy.size(); i++) {
            if (weights[i] == nullptr) continue;
            check_factors(*weights[i], dy[i].cols, x.cols);
            part.weights[next] = weights[i];
            part.a[next] = &weights[i]->a;
            part.dy[next] = dy[i].rows_from(first, rows);
            part.g[next] = gradient_of_h(context, *weights[i], part.dy[next]);
            part.g_read[next] = part.g[next];
            part.gradients[next++] = gradients.empty() ? LoraGradients{} : gradients[run * dy.size() + i];
        }
        if (dx.data) linear_backward_input(context, part.g_read, part.a, dx.rows_from(first, rows));
        const auto factors = row_factors.empty()
                                 ? row_factors
                                 : row_factors.subspan(static_cast<size_t>(first), static_cast<size_t>(rows));
        if (!gradients.empty()) part.add_factor_gradients(context, factors);
    }
}

void lora_linear_backward(OpContext& context, MatrixView<const float> x, std::span<const LoraRun> runs,
                          std::span<const MatrixView<const float>> dy, MatrixView<float> dx,
                          std::span<const LoraGradients> gradients) {
    lora_linear_backward(context, x, runs, dy, dx, gradients, {});
}

}  // namespace hone::math
