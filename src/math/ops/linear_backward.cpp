// Both products run on the forward's kernels, with operands that are laid out anew for each use, so that neither weights
// nor activations are kept twice: dX = dY W on blocks of W transposed into a panel that a core's cache holds, dW = dY^T X
// on columns of both.
#include <algorithm>

#include "math/ops/linear.h"
#include "math/ops/matrix_product.h"
#include "math/ops/parallel.h"

namespace hone::math {

namespace {

// dX: the part of n whose transposed weights, and whose dY of a block of rows, stay in a core's L2. A multiple of a line
// of activations and of 64.
constexpr int64_t kInputBlockN = 2048;
constexpr int64_t kInputBlockRows = 512;
constexpr int64_t kInputPartRows = 2 * kInputBlockRows;  // whose dY lies prepared at once, which bounds the scratch
constexpr int64_t kInputColumns = 64;                    // of dX in a task; a multiple of every panel's

// One term of the sum: dy in blocks along n, each prepared as if it were a matrix of its own.
struct InputTerm {
    const Weight* weight;
    BackwardProduct backward;
    MatrixView<const float> dy;
    EvenSplit row_blocks;
    std::byte* prepared;

    int64_t blocks() const { return (weight->n + kInputBlockN - 1) / kInputBlockN; }
    int64_t block_n(int64_t block) const { return std::min(kInputBlockN, weight->n - block * kInputBlockN); }
    int64_t row_bytes(int64_t block) const {
        return activation_row_bytes(backward.product.activations, block_n(block));
    }
    std::byte* activations(int64_t block, int64_t row_block) const {
        const int64_t before = activation_row_bytes(backward.product.activations, block * kInputBlockN);
        return prepared + dy.rows * before + row_blocks.first(row_block) * row_bytes(block);
    }

    // A row tile is one thread's: its rows share cache lines.
    void prepare(int64_t row_block, int64_t tile) const {
        const int64_t rows = row_blocks.size(row_block);
        const EvenSplit tiles = row_tiles(rows);
        if (tile >= tiles.parts) return;
        for (int64_t row = tiles.first(tile); row < tiles.first(tile) + tiles.size(tile); row++) {
            const float* from = dy.row(row_blocks.first(row_block) + row);
            for (int64_t block = 0; block < blocks(); block++, from += kInputBlockN) {
                const auto lines =
                    row_lines(backward.product.activations, block_n(block), activations(block, row_block), rows, row);
                backward.product.prepare.run(from, block_n(block), lines.first, lines.stride);
            }
        }
    }

    // Adds a block's part to columns [column, column + kInputColumns) of some rows of dx, or sets it. `panel` is scratch.
    void add(int64_t block, int64_t row_block, int64_t column, MatrixView<float> dx, bool adds,
             std::byte* panel) const {
        const int64_t last = std::min(column + kInputColumns, dx.cols);
        const auto n = static_cast<int32_t>(block_n(block));
        for (int64_t first = column; first < last; first += backward.panel.columns) {
            backward.transpose.run({.weight = weight->data,
                                    .n = weight->n,
                                    .k = weight->k,
                                    .first_n = static_cast<int32_t>(block * kInputBlockN),
                                    .count_n = n,
                                    .first_k = static_cast<int32_t>(first),
                                    .panel = panel});
            backward.product.gemm.run({.activations = activations(block, row_block),
                                       .rows = static_cast<int32_t>(row_blocks.size(row_block)),
                                       .weight = panel,
                                       .n = static_cast<int32_t>(last - first),
                                       .k = n,
                                       .first_panel = 0,
                                       .panels = 1,
                                       .y = dx.row(row_blocks.first(row_block)) + first,
                                       .y_stride = dx.stride,
                                       .adds = adds,
                                       .next = panel});
        }
    }
};

// A block of a term.
struct InputBlock {
    const InputTerm* term;
    int64_t block;
};

// All blocks of the terms, in the order of the chains.
std::span<const InputBlock> input_blocks(Workspace& workspace, std::span<const InputTerm> terms) {
    int64_t count = 0;
    for (const InputTerm& term : terms) count += term.blocks();
    const std::span<InputBlock> all = workspace.vector<InputBlock>(count);
    auto next = all.begin();
    for (const InputTerm& term : terms) {
        for (int64_t block = 0; block < term.blocks(); block++) *next++ = {&term, block};
    }
    return all;
}

// Of some rows: dX of all terms.
void compute_input_part(OpContext& context, std::span<const MatrixView<const float>> dy,
                        std::span<const Weight* const> weights, MatrixView<float> dx, bool adds) {
    const int64_t wanted = wanted_tasks(context.pool.threads());
    const int64_t runs = (dx.cols + kInputColumns - 1) / kInputColumns;
    const int64_t least = std::max((dx.rows + kInputBlockRows - 1) / kInputBlockRows, (wanted + runs - 1) / runs);
    const EvenSplit row_blocks{dx.rows, std::min(least, (dx.rows + kTileRows - 1) / kTileRows)};

    std::span<InputTerm> terms = context.workspace.vector<InputTerm>(static_cast<int64_t>(weights.size()));
    int64_t work = 0;
    for (size_t i = 0; i < terms.size(); i++) {
        const Weight& weight = *weights[i];
        const BackwardProduct backward = backward_product(context.kernels.gemm, weight.format);
        const int64_t bytes = dx.rows * activation_row_bytes(backward.product.activations, weight.n);
        terms[i] = {&weight, backward, dy[i], row_blocks, context.workspace.vector<std::byte>(bytes).data()};
        work += dx.rows * weight.n;
    }
    const int64_t tiles = row_tiles(row_blocks.size(0)).parts;  // at most, of a block
    for_tiles(context, std::ssize(terms) * row_blocks.parts * tiles, work, [&](int64_t task, int) {
        terms[task / tiles / row_blocks.parts].prepare(task / tiles % row_blocks.parts, task % tiles);
    });

    const int64_t panel_bytes = std::max(kF32Panel.panel_bytes(kInputBlockN), kBf16Panel.panel_bytes(kInputBlockN));
    const auto panels = context.workspace.matrix<std::byte>(context.pool.threads(), panel_bytes);
    const auto all = input_blocks(context.workspace, terms);
    const int64_t block_products = row_blocks.size(0) * kInputColumns * kInputBlockN;
    const auto at_once = static_cast<size_t>(std::max<int64_t>(1, 2 * kTaskProducts / block_products));
    for (size_t first = 0; first < all.size(); first += at_once) {
        const auto blocks = all.subspan(first, std::min(at_once, all.size() - first));
        context.pool.parallel_for(row_blocks.parts * runs, [&](int64_t task, int worker) {
            for (const auto& part : blocks)
                part.term->add(part.block, task / runs, task % runs * kInputColumns, dx, adds || &part != &all.front(),
                               panels.row(worker));
        });
    }
}

// dW: rows that are laid out at once, which bounds the scratch; a block of the kernel's along its k.
constexpr int64_t kWeightBlockRows = 2048;

// dweight += dy^T x, as a product of activations that are the columns of dy by a weight whose rows are those of x.
struct WeightProduct {
    MatrixProduct product;
    PanelLayout panel;
    GemmKernels::TileColumns tile;
    GemmKernels::PackColumns pack;

    // x packed: panels of `columns` of its columns.
    struct PackedInput {
        int64_t rows, columns, panels, panel_bytes;
        std::byte* data;
    };
    PackedInput pack_input(OpContext& context, MatrixView<const float> x) const;
    void add(OpContext& context, const PackedInput& x, MatrixView<const float> dy, MatrixView<float> dweight) const;
};

WeightProduct weight_product(const GemmKernels& kernels, GradientOperands operands) {
    const auto product = [&](WeightFormat format) { return matrix_product(kernels, NumericClass::f32seq, format); };
    if (operands == GradientOperands::fp32)
        return {product(WeightFormat::f32), kF32Panel, kernels.tile_columns_f32, kernels.pack_columns_f32};
    return {product(WeightFormat::bf16), kBf16Panel, kernels.tile_columns_bf16, kernels.pack_columns_bf16};
}

WeightProduct::PackedInput WeightProduct::pack_input(OpContext& context, MatrixView<const float> x) const {
    const int64_t panels = (x.cols + panel.columns - 1) / panel.columns, panel_bytes = panel.panel_bytes(x.rows);
    return {x.rows, x.cols, panels, panel_bytes, packed_columns(context, panel, pack, x)};
}

void WeightProduct::add(OpContext& context, const PackedInput& x, MatrixView<const float> dy,
                        MatrixView<float> dweight) const {
    const Workspace::Scope scope(context.workspace);
    const int64_t wanted = wanted_tasks(context.pool.threads(), x.rows * x.columns * dy.cols);
    const EvenSplit blocks = block_split(product.activations, x.rows, dy.cols, (wanted + x.panels - 1) / x.panels);
    const int64_t row_bytes = activation_row_bytes(product.activations, x.rows);
    const ActivationBlocks activations{product.activations, x.rows, blocks,
                                       context.workspace.vector<std::byte>(dy.cols * row_bytes).data()};
    for_tiles(context, blocks.parts, x.rows * dy.cols, [&](int64_t block, int) {
        tile.run(dy.data + blocks.first(block), dy.stride, x.rows, blocks.size(block), activations.block(block));
    });

    const EvenSplit runs{x.panels, std::clamp<int64_t>(wanted / blocks.parts, 1, x.panels)};
    const int64_t tasks = runs.parts * blocks.parts;
    for_tiles(context, tasks, x.rows * x.columns * dy.cols / 16, [&](int64_t task, int) {
        const int64_t block = task % blocks.parts, run = task / blocks.parts;
        const int64_t follower = std::min(task + context.pool.threads(), tasks - 1);
        product.gemm.run({.activations = activations.block(block),
                          .rows = static_cast<int32_t>(blocks.size(block)),
                          .weight = x.data,
                          .n = static_cast<int32_t>(x.columns),
                          .k = static_cast<int32_t>(x.rows),
                          .first_panel = static_cast<int32_t>(runs.first(run)),
                          .panels = static_cast<int32_t>(runs.size(run)),
                          .y = dweight.row(blocks.first(block)) + runs.first(run) * panel.columns,
                          .y_stride = dweight.stride,
                          .adds = true,
                          .next = x.data + runs.first(follower / blocks.parts) * x.panel_bytes});
    });
}

}  // namespace

void linear_backward_input(OpContext& context, std::span<const MatrixView<const float>> dy,
                           std::span<const Weight* const> weights, MatrixView<float> dx, bool adds) {
    CHECK_EQ(dy.size(), weights.size());
    for (size_t i = 0; i < weights.size(); i++) {
        const Weight& weight = *weights[i];
        CHECK(weight.k == dx.cols && dy[i].cols == weight.n && dy[i].rows == dx.rows,
              "dy [{}, {}], weight [{}, {}], dx [{}, {}]", dy[i].rows, dy[i].cols, weight.n, weight.k, dx.rows,
              dx.cols);
    }
    if (weights.empty()) return;
    const EvenSplit parts{dx.rows, (dx.rows + kInputPartRows - 1) / kInputPartRows};
    for (int64_t part = 0; part < parts.parts; part++) {
        const Workspace::Scope scope(context.workspace);
        const int64_t first = parts.first(part), rows = parts.size(part);
        const auto dy_part = context.workspace.vector<MatrixView<const float>>(std::ssize(dy));
        for (size_t i = 0; i < dy.size(); i++) dy_part[i] = dy[i].rows_from(first, rows);
        compute_input_part(context, dy_part, weights, dx.rows_from(first, rows), adds);
    }
}

void linear_backward_input(OpContext& context, MatrixView<const float> dy, const Weight& weight, MatrixView<float> dx,
                           bool adds) {
    const MatrixView<const float> terms[] = {dy};
    const Weight* weights[] = {&weight};
    linear_backward_input(context, terms, weights, dx, adds);
}

void linear_backward_weights(OpContext& context, GradientOperands operands, MatrixView<const float> x,
                             std::span<const MatrixView<const float>> dy, std::span<const MatrixView<float>> dweights) {
    CHECK_EQ(dy.size(), dweights.size());
    bool any = false;
    for (size_t i = 0; i < dy.size(); i++) {
        const MatrixView<float>& dweight = dweights[i];
        if (dweight.data == nullptr) continue;
        CHECK(x.rows == dy[i].rows && dweight.rows == dy[i].cols && dweight.cols == x.cols,
              "dy [{}, {}], x [{}, {}], dweight [{}, {}]", dy[i].rows, dy[i].cols, x.rows, x.cols, dweight.rows,
              dweight.cols);
        any = true;
    }
    if (!any) return;
    const WeightProduct product = weight_product(context.kernels.gemm, operands);
    for (int64_t first = 0; first < x.rows; first += kWeightBlockRows) {
        const Workspace::Scope scope(context.workspace);
        const int64_t rows = std::min(kWeightBlockRows, x.rows - first);
        const auto packed = product.pack_input(context, x.rows_from(first, rows));
        for (size_t i = 0; i < dy.size(); i++) {
            if (dweights[i].data) product.add(context, packed, dy[i].rows_from(first, rows), dweights[i]);
        }
    }
}

void linear_backward_weight(OpContext& context, GradientOperands operands, MatrixView<const float> x,
                            MatrixView<const float> dy, MatrixView<float> dweight) {
    linear_backward_weights(context, operands, x, {&dy, 1}, {&dweight, 1});
}

}  // namespace hone::math
