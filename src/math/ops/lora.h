// Low-rank adapters, never merged into the weights (Hu et al., arXiv 2106.09685; numerics.md, rule 15): y += s (x A^T) B^T
// in fp32 over the input as it is, h = s (x A^T) rounded once, and the chain of y going on over ascending rank. So a
// row's bits depend on that row, the matrix and the row's own adapter alone.
#pragma once

#include <span>

#include "math/ops/op_context.h"

namespace hone::math {

// The factors of one matrix [n, k]; views, both of format f32.
struct LoraWeights {
    Weight a, b;  // [r, k], [n, r]
    float scale = 1;
};

// Rows of a batch under one adapter.
struct LoraRun {
    int64_t first_row = 0, rows = 0;
    std::span<const LoraWeights* const> weights;  // of each of the matrices over one input; null: not adapted
};

// outputs [T, n_i] += the runs' parts for x [T, k], to be called after linear(). Runs have no row in common.
void lora_linear(OpContext& context, MatrixView<const float> x, std::span<const LoraRun> runs,
                 std::span<const MatrixView<float>> outputs);

// Of the factors of one matrix, [r, k] and [n, r]; without data where not wanted.
struct LoraGradients {
    MatrixView<float> da, db;
};

// For dy_i [T, n_i], with g = s (dy B): dx += g A (nothing if dx has no data), matrices in order; da += g^T x, db +=
// dy^T h, rows ascending. All products in fp32 as in ops/linear.h. gradients[run * matrices + i]; empty: none wanted.
void lora_linear_backward(OpContext& context, MatrixView<const float> x, std::span<const LoraRun> runs,
                          std::span<const MatrixView<const float>> dy, MatrixView<float> dx,
                          std::span<const LoraGradients> gradients);

}  // namespace hone::math
