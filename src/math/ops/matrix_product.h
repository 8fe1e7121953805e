// What linear and moe share: which kernels multiply by a weight, and activations prepared for them in blocks of row
// tiles.
#pragma once

#include "math/ops/op_context.h"

namespace hone::math {

// The kernels that a weight's format and the numeric class choose.
struct MatrixProduct {
    ActivationFormat activations;
    GemmKernels::PrepareRow prepare;
    GemmKernels::Gemm gemm;
};
MatrixProduct matrix_product(const GemmKernels& kernels, NumericClass int4_class, WeightFormat format);
inline MatrixProduct matrix_product(const OpContext& context, const Weight& weight) {
    return matrix_product(context.kernels.gemm, context.int4_class, weight.format);
}

// The kernels of dX = dY W: `transpose` gives panels of W^T for `product`, whose chains are those of dY rounded to bf16 by
// W, INT4 rounded to bf16; all fp32 for f32.
struct BackwardProduct {
    MatrixProduct product;
    PanelLayout panel;
    GemmKernels::Transpose transpose;
};
BackwardProduct backward_product(const GemmKernels& kernels, WeightFormat format);

// x [k, n] packed as the matrix [n, k] whose rows are its columns; in the context's workspace.
std::byte* packed_columns(OpContext& context, const PanelLayout& panel, GemmKernels::PackColumns pack,
                          MatrixView<const float> x);

// The panels that hold n outputs, the last one perhaps partly.
int64_t panel_count(const Weight& weight);
// Where a panel begins.
inline const std::byte* panel_of(const Weight& weight, int64_t panel) {
    return weight.data + panel * panel_bytes(weight.format, weight.k);
}

// Rows of activations [rows, k] cut into blocks, and each block into tiles (quant/packed_layout.h). The workspace owns
// the data.
struct ActivationBlocks {
    ActivationFormat format = ActivationFormat::f32;
    int64_t k = 0;
    EvenSplit blocks;  // of the rows
    std::byte* data = nullptr;

    std::byte* block(int64_t i) const { return data + blocks.first(i) * activation_row_bytes(format, k); }
};

// Rows of a block that fill about half of a core's L2.
int64_t most_block_rows(ActivationFormat format, int64_t k);

// As few equal blocks as most_block_rows allows, but at least `least` if there are rows enough for it.
EvenSplit block_split(ActivationFormat format, int64_t k, int64_t rows, int64_t least);

// Prepares the rows of x in parallel.
ActivationBlocks prepare_activations(OpContext& context, const MatrixProduct& product, MatrixView<const float> x,
                                     EvenSplit blocks);

}  // namespace hone::math
