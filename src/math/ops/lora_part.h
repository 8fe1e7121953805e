// What lora_linear and the mixture of experts share: some rows under the factors of one matrix, as activations for the
// kernels. Memory of the workspace.
#pragma once

#include "math/ops/lora.h"

namespace hone::math {

constexpr int64_t kLoraPartRows = 8 * kTileRows;  // at most, so that the rows of one adapter are many tasks

struct LoraPart {
    const LoraWeights* weights = nullptr;  // null: the rows are not adapted
    int64_t rows = 0;
    std::byte* h = nullptr;  // s (x A^T), in tiles

    // Rows under the factors of a matrix [n, k]; h is room.
    static LoraPart take(Workspace& workspace, const LoraWeights& weights, int64_t rows, int64_t n, int64_t k);

    // Computes h. `x` is the rows in tiles, as they are; `scratch` holds rows * rank values.
    void project(const KernelTable& kernels, const std::byte* x, float* scratch) const;
    // Adds to columns [column, column + columns) of the output, y being at row 0 and the first of them. They begin and
    // end at multiples of a panel's, or end with the matrix.
    void add(const KernelTable& kernels, int64_t column, int64_t columns, float* y, int64_t y_stride) const;
};

// lora_linear_backward with row_factors, one for each row of x, or none: the gradients of the factors are those for dy
// times its row's factor, by which g and h are multiplied, each for its product, instead of dy; dx is still that for dy.
void lora_linear_backward(OpContext& context, MatrixView<const float> x, std::span<const LoraRun> runs,
                          std::span<const MatrixView<const float>> dy, MatrixView<float> dx,
                          std::span<const LoraGradients> gradients, std::span<const float> row_factors);

}  // namespace hone::math
