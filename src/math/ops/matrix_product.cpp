#include "math/ops/matrix_product.h"

#include <algorithm>

#include "math/ops/parallel.h"
#include "math/ops/phase_clock.h"

namespace hone::math {

namespace {

constexpr int64_t kBlockBytes = int64_t{512} << 10;

}  // namespace

MatrixProduct matrix_product(const GemmKernels& kernels, NumericClass int4_class, WeightFormat format) {
    switch (format) {
        case WeightFormat::f32:
            return {ActivationFormat::f32, kernels.prepare_f32, kernels.f32_f32};
        case WeightFormat::bf16:
            return {ActivationFormat::bf16, kernels.prepare_bf16, kernels.bf16_bf16};
        case WeightFormat::int4_g32:
            switch (int4_class) {
                case NumericClass::f32seq:
                    return {ActivationFormat::bf16, kernels.prepare_bf16, kernels.bf16_int4g32};
                case NumericClass::i8g32:
                    return {ActivationFormat::i8_g32, kernels.prepare_i8g32, kernels.i8_int4g32};
                case NumericClass::i8p32:
                    return {ActivationFormat::i8_p32, kernels.prepare_i8p32, kernels.i8p32_int4g32};
            }
            break;
        case WeightFormat::bf16_rows:
            break;
    }
    CHECK(false, "no matrix product over weights of format {}", name_of(format));
    __builtin_unreachable();
}

BackwardProduct backward_product(const GemmKernels& kernels, WeightFormat format) {
    const auto product = [&](WeightFormat transposed) {
        return matrix_product(kernels, NumericClass::f32seq, transposed);
    };
    switch (format) {
        case WeightFormat::f32:
            return {product(WeightFormat::f32), kF32Panel, kernels.transpose_f32};
        case WeightFormat::bf16:
            return {product(WeightFormat::bf16), kBf16Panel, kernels.transpose_bf16};
        case WeightFormat::int4_g32:
            return {product(WeightFormat::bf16), kBf16Panel, kernels.transpose_int4g32};
        case WeightFormat::bf16_rows:
            break;
    }
    CHECK(false, "no backward product over weights of format {}", name_of(format));
    __builtin_unreachable();
}

std::byte* packed_columns(OpContext& context, const PanelLayout& panel, GemmKernels::PackColumns pack,
                          MatrixView<const float> x) {
    const int64_t panels = (x.cols + panel.columns - 1) / panel.columns, panel_bytes = panel.panel_bytes(x.rows);
    std::byte* data = context.workspace.vector<std::byte>(panels * panel_bytes).data();
    for_tiles(context, panels, x.rows * x.cols, [&](int64_t i, int) {
        const int64_t column = i * panel.columns;
        pack.run(x.data + column, x.stride, x.rows, std::min<int64_t>(panel.columns, x.cols - column),
                 data + i * panel_bytes);
    });
    return data;
}

int64_t panel_count(const Weight& weight) {
    const int64_t columns = panel_columns(weight.format);
    return (weight.n + columns - 1) / columns;
}

int64_t most_block_rows(ActivationFormat format, int64_t k) {
    return std::max<int64_t>(kBlockBytes / activation_row_bytes(format, k), 4 * kTileRows);
}

EvenSplit block_split(ActivationFormat format, int64_t k, int64_t rows, int64_t least) {
    const int64_t fitting = most_block_rows(format, k);
    const int64_t most = (rows + kTileRows - 1) / kTileRows;
    return {rows, std::clamp(least, (rows + fitting - 1) / fitting, most)};
}

ActivationBlocks prepare_activations(OpContext& context, const MatrixProduct& product, MatrixView<const float> x,
                                     EvenSplit blocks) {
    const PhaseScope phase(context, Phase::quantise);
    const int64_t row_bytes = activation_row_bytes(product.activations, x.cols);
    const ActivationBlocks prepared{product.activations, x.cols, blocks,
                                    context.workspace.vector<std::byte>(x.rows * row_bytes).data()};
    // A row tile is one thread's: its rows share cache lines.
    const int64_t most_tiles = row_tiles(blocks.size(0)).parts;
    for_tiles(context, blocks.parts * most_tiles, x.rows * x.cols, [&](int64_t index, int) {
        const int64_t block = index / most_tiles, tile = index % most_tiles;
        const EvenSplit tiles = row_tiles(blocks.size(block));
        if (tile >= tiles.parts) return;
        for (int64_t i = tiles.first(tile); i < tiles.first(tile) + tiles.size(tile); i++) {
            const auto lines = row_lines(product.activations, x.cols, prepared.block(block), blocks.size(block), i);
            product.prepare.run(x.row(blocks.first(block) + i), x.cols, lines.first, lines.stride);
        }
    });
    return prepared;
}

}  // namespace hone::math
