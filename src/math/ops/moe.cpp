// Three loops over tiles: prepare each token once; per expert and run of hidden columns, gather its rows, gate, up,
// SwiGLU and prepare the result; per run of output columns, all experts' down projections and the weighted sum. The
// second loop ends with the activations of the third, and the third sums what is still in cache. Adapters project before
// the second and the third.
#include "math/ops/moe.h"

#include <algorithm>
#include <cstring>

#include "math/ops/expert_lora.h"
#include "math/ops/matrix_product.h"
#include "math/ops/parallel.h"
#include "math/ops/phase_clock.h"

namespace hone::math {

namespace {

constexpr int64_t kHiddenValues = 16384;  // of gate and up each that a thread holds between product and SwiGLU
constexpr int64_t kOutputBytes = int64_t{1} << 20;  // of expert outputs that a thread holds before it sums them

// Grouped rows of one expert that are computed together.
struct ExpertBlock {
    int32_t expert;
    int32_t rows;
    int64_t first_row;
};

std::span<const ExpertBlock> cut_into_blocks(Workspace& workspace, const GroupedRows& grouped, int64_t block_rows) {
    const auto expert_count = static_cast<int64_t>(grouped.first.size()) - 1;
    const auto rows = static_cast<int64_t>(grouped.token.size());
    std::span<ExpertBlock> blocks = workspace.vector<ExpertBlock>(std::min(expert_count, rows) + rows / block_rows);
    size_t count = 0;
    for (int64_t e = 0; e < expert_count; e++) {
        const int64_t own = grouped.first[e + 1] - grouped.first[e];
        const EvenSplit split{own, (own + block_rows - 1) / block_rows};
        for (int64_t i = 0; i < split.parts; i++) {
            blocks[count++] = {static_cast<int32_t>(e), static_cast<int32_t>(split.size(i)),
                               grouped.first[e] + split.first(i)};
        }
    }
    return blocks.first(count);
}

// One call of moe().
struct Moe {
    OpContext& context;
    const ExpertWeights& weights;
    MatrixProduct up_product, down_product;
    const GroupedRows& grouped;
    std::span<const ExpertBlock> blocks;
    const ExpertLora& lora;
    const ExpertInner& inner;
    int64_t x_row_bytes, hidden_row_bytes;
    std::byte* x;       // tokens, prepared, a tile of one row each
    std::byte* hidden;  // grouped rows, prepared in the tiles of their blocks

    void compute_hidden();
    void gather(const ExpertBlock& block, std::byte* to) const;
    void compute_hidden_columns(const ExpertBlock& block, const std::byte* rows, int64_t panel, int64_t panels,
                                const std::byte* next, float* gate, float* up) const;
    void compute_output(const MatrixView<float>& slot_weights, MatrixView<float> y);
};

void run_gemm(const GemmKernels::Gemm& gemm, const std::byte* activations, int64_t rows, const Weight& weight,
              int64_t panel, int64_t panels, float* y, int64_t y_stride, const std::byte* next) {
    gemm.run({.activations = activations,
              .rows = static_cast<int32_t>(rows),
              .weight = weight.data,
              .n = weight.n,
              .k = weight.k,
              .first_panel = static_cast<int32_t>(panel),
              .panels = static_cast<int32_t>(panels),
              .y = y,
              .y_stride = y_stride,
              .next = next});
}

// Lines of the block's tokens into tiles.
void Moe::gather(const ExpertBlock& block, std::byte* to) const {
    const ActivationFormat format = up_product.activations;
    const int64_t line_bytes = line_of(format).bytes;
    for (int64_t row = 0; row < block.rows; row++) {
        const std::byte* from = x + grouped.token[block.first_row + row] * x_row_bytes;
        const int64_t follower = std::min(block.first_row + row + 1, block.first_row + block.rows - 1);
        const std::byte* next = x + grouped.token[follower] * x_row_bytes;
        const auto lines = row_lines(format, weights.gate[0].k, to, block.rows, row);
        for (int64_t at = 0, line = 0; at < x_row_bytes; at += line_bytes, line += lines.stride) {
            __builtin_prefetch(next + at);  // rows lie anywhere, so the processor does not see the next one coming
            // Constant sizes, so that a copy is a few moves.
            if (line_bytes == kI8LineBytes)
                std::memcpy(lines.first + line, from + at, kI8LineBytes);
            else
                std::memcpy(lines.first + line, from + at, 64);
        }
    }
}

void Moe::compute_hidden_columns(const ExpertBlock& block, const std::byte* rows, int64_t panel, int64_t panels,
                                 const std::byte* next, float* gate, float* up) const {
    const Weight& gate_weight = weights.gate[static_cast<size_t>(block.expert)];
    const Weight& up_weight = weights.up[static_cast<size_t>(block.expert)];
    const int64_t width = panel_columns(gate_weight.format), stride = panels * width, column = panel * width;
    run_gemm(up_product.gemm, rows, block.rows, gate_weight, panel, panels, gate, stride, panel_of(up_weight, panel));
    run_gemm(up_product.gemm, rows, block.rows, up_weight, panel, panels, up, stride, next);

    const int64_t columns = std::min(stride, gate_weight.n - column);
    const auto lora_parts = lora.parts_of(block.first_row, block.rows);
    for (const ExpertLoraPart& part : lora_parts)
        part.add_gate_and_up(context.kernels, block.first_row, column, columns, gate, up, stride);
    const ActivationLine line = line_of(down_product.activations);
    for (int64_t row = 0; row < block.rows; row++) {
        float* values = gate + row * stride;
        if (inner.gate.data) {
            std::copy_n(values, columns, inner.gate.row(block.first_row + row) + column);
            std::copy_n(up + row * stride, columns, inner.up.row(block.first_row + row) + column);
        }
        context.kernels.rows.swiglu.run(values, up + row * stride, values, columns);
        const auto lines = row_lines(down_product.activations, gate_weight.n,
                                     hidden + block.first_row * hidden_row_bytes, block.rows, row);
        down_product.prepare.run(values, columns, lines.first + column / line.k * lines.stride, lines.stride);
    }
    for (const ExpertLoraPart& part : lora_parts)
        part.keep_hidden(context.kernels, block.first_row, column, columns, gate, stride);
}

void Moe::compute_hidden() {
    const int64_t panels = panel_count(weights.gate[0]), width = panel_columns(weights.gate[0].format);
    int64_t most_rows = 0;
    for (const ExpertBlock& block : blocks) most_rows = std::max<int64_t>(most_rows, block.rows);
    const int threads = context.pool.threads();
    const int64_t wanted = wanted_tasks(threads);
    const auto block_count = static_cast<int64_t>(blocks.size());
    const EvenSplit runs{panels, std::clamp<int64_t>((wanted + block_count - 1) / block_count, 1, panels)};

    const int64_t step_most = std::max<int64_t>(1, kHiddenValues / (most_rows * width));
    const auto values = context.workspace.matrix<float>(threads, 2 * step_most * most_rows * width);
    const auto tiles = context.workspace.matrix<std::byte>(threads, most_rows * x_row_bytes);
    // Where a task begins to read: this worker's next, if the threads keep pace.
    const auto first_of = [&](int64_t task) {
        if (task >= block_count * runs.parts) return weights.down[static_cast<size_t>(blocks.front().expert)].data;
        const ExpertBlock& block = blocks[static_cast<size_t>(task / runs.parts)];
        return panel_of(weights.gate[static_cast<size_t>(block.expert)], runs.first(task % runs.parts));
    };
    context.pool.parallel_for(block_count * runs.parts, [&](int64_t task, int worker) {
        const ExpertBlock& block = blocks[static_cast<size_t>(task / runs.parts)];
        const std::byte* rows = x + grouped.token[static_cast<size_t>(block.first_row)] * x_row_bytes;
        if (block.rows > 1) {
            gather(block, tiles.row(worker));
            rows = tiles.row(worker);
        }
        const int64_t run = task % runs.parts, last = runs.first(run) + runs.size(run);
        const Weight& weight = weights.gate[static_cast<size_t>(block.expert)];
        for (int64_t panel = runs.first(run); panel < last; panel += step_most) {
            const bool more = panel + step_most < last;
            const std::byte* next = more ? panel_of(weight, panel + step_most) : first_of(task + threads);
            float* gate = values.row(worker);
            compute_hidden_columns(block, rows, panel, std::min(step_most, last - panel), next, gate,
                                   gate + values.cols / 2);
        }
    });
}

void Moe::compute_output(const MatrixView<float>& slot_weights, MatrixView<float> y) {
    const int64_t panels = panel_count(weights.down[0]), width = panel_columns(weights.down[0].format);
    const auto rows = static_cast<int64_t>(grouped.token.size());
    const int64_t slots = slot_weights.cols;
    const int threads = context.pool.threads();
    const int64_t fitting = std::max<int64_t>(1, kOutputBytes / (rows * width * static_cast<int64_t>(sizeof(float))));
    const int64_t least = std::max((panels + fitting - 1) / fitting, wanted_tasks(threads));
    const EvenSplit runs{panels, std::min(least, panels)};
    const auto outputs = context.workspace.matrix<float>(threads, rows * runs.size(0) * width);
    context.pool.parallel_for(runs.parts, [&](int64_t run, int worker) {
        const int64_t column = runs.first(run) * width, stride = runs.size(run) * width;
        for (size_t i = 0; i < blocks.size(); i++) {
            const ExpertBlock& block = blocks[i];
            const int64_t next_run = i + 1 < blocks.size() ? run : std::min(run + threads, runs.parts - 1);
            const ExpertBlock& next = blocks[i + 1 < blocks.size() ? i + 1 : 0];
            run_gemm(down_product.gemm, hidden + block.first_row * hidden_row_bytes, block.rows,
                     weights.down[static_cast<size_t>(block.expert)], runs.first(run), runs.size(run),
                     outputs.row(worker) + block.first_row * stride, stride,
                     panel_of(weights.down[static_cast<size_t>(next.expert)], runs.first(next_run)));
            for (const ExpertLoraPart& part : lora.parts_of(block.first_row, block.rows)) {
                if (part.down.weights == nullptr) continue;
                part.down.add(context.kernels, column, std::min(stride, y.cols - column),
                              outputs.row(worker) + part.first_row * stride, stride);
            }
        }
        for (int64_t t = 0; t < y.rows; t++) {
            context.kernels.gemm.weighted_sum.run(
                outputs.row(worker), stride, &grouped.position[static_cast<size_t>(t * slots)], slot_weights.row(t),
                slots, y.row(t) + column, std::min(stride, y.cols - column));
        }
    });
}

// Tokens as tiles of one row, which are what a lone row of an expert needs and what gather() copies from.
std::byte* prepare_tokens(OpContext& context, const MatrixProduct& product, MatrixView<const float> x) {
    const PhaseScope phase(context, Phase::quantise);
    const int64_t row_bytes = activation_row_bytes(product.activations, x.cols);
    std::byte* prepared = context.workspace.vector<std::byte>(x.rows * row_bytes).data();
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t t = first; t < first + count; t++) {
            product.prepare.run(x.row(t), x.cols, prepared + t * row_bytes,
                                int64_t{line_of(product.activations).bytes});
        }
    });
    return prepared;
}

void check_shapes(MatrixView<const float> x, const Routing& routing, const ExpertWeights& experts,
                  MatrixView<float> y) {
    CHECK(
        !experts.gate.empty() && experts.gate.size() == experts.up.size() && experts.gate.size() == experts.down.size(),
        "{}, {}, {} experts", experts.gate.size(), experts.up.size(), experts.down.size());
    CHECK(routing.experts.rows == x.rows && routing.weights.rows == x.rows && y.rows == x.rows &&
              routing.experts.cols == routing.weights.cols && routing.experts.cols >= 1,
          "routing [{}, {}] for x [{}, {}]", routing.experts.rows, routing.experts.cols, x.rows, x.cols);
    const Weight &gate = experts.gate[0], &down = experts.down[0];
    CHECK(gate.k == x.cols && down.k == gate.n && down.n == y.cols, "gate [{}, {}], down [{}, {}], x [{}, {}]", gate.n,
          gate.k, down.n, down.k, x.rows, x.cols);
    const auto same = [](const Weight& a, const Weight& b) { return a.format == b.format && a.n == b.n && a.k == b.k; };
    for (size_t e = 0; e < experts.gate.size(); e++) {
        CHECK(same(experts.gate[e], gate) && same(experts.up[e], gate) && same(experts.down[e], down), "expert {}", e);
    }
}

}  // namespace

void ExpertInner::check_shape(const Routing& routing, const ExpertWeights& experts) const {
    const int64_t rows = routing.experts.rows * routing.experts.cols, columns = experts.gate[0].n;
    for (const auto& x : {gate, up}) {
        CHECK((x.data != nullptr) == (gate.data != nullptr) && (!x.data || (x.rows == rows && x.cols == columns)),
              "[{}, {}] of experts' inner values, not [{}, {}]", x.rows, x.cols, rows, columns);
    }
}

void moe(OpContext& context, MatrixView<const float> x, const Routing& routing, const ExpertWeights& experts,
         MatrixView<float> y, std::span<const ExpertLoraRun> adapters, const ExpertInner& inner) {
    check_shapes(x, routing, experts, y);
    inner.check_shape(routing, experts);
    if (x.rows == 0) return;
    const PhaseScope phase(context, Phase::experts);
    Workspace::Scope scope(context.workspace);
    const MatrixProduct up_product = matrix_product(context, experts.gate[0]);
    const MatrixProduct down_product = matrix_product(context, experts.down[0]);
    const GroupedRows grouped =
        group_rows(context.workspace, routing.experts, static_cast<int64_t>(experts.gate.size()));
    const auto rows = static_cast<int64_t>(grouped.token.size());
    const int64_t hidden_row_bytes = activation_row_bytes(down_product.activations, experts.down[0].k);
    const auto blocks = cut_into_blocks(context.workspace, grouped, most_block_rows(up_product.activations, x.cols));
    ExpertLora lora(context, grouped, experts, adapters, std::ssize(blocks));
    for (const ExpertBlock& block : blocks)
        lora.add_block(static_cast<size_t>(block.expert), block.first_row, block.rows);
    Moe layer{.context = context,
              .weights = experts,
              .up_product = up_product,
              .down_product = down_product,
              .grouped = grouped,
              .blocks = blocks,
              .lora = lora,
              .inner = inner,
              .x_row_bytes = activation_row_bytes(up_product.activations, x.cols),
              .hidden_row_bytes = hidden_row_bytes,
              .x = prepare_tokens(context, up_product, x),
              .hidden = context.workspace.vector<std::byte>(rows * hidden_row_bytes).data()};
    lora.project_tokens(x);
    layer.compute_hidden();
    lora.project_hidden();
    layer.compute_output(routing.weights, y);
}

}  // namespace hone::math
