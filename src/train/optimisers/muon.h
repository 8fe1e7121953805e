// Muon for matrices (Jordan et al. 2024): momentum, made orthogonal by Newton-Schulz iterations, scaled as Moonlight
// and Kimi K2 do (Liu et al. 2025, "Muon is scalable for LLM training") so that an update has the RMS of AdamW's and
// AdamW's learning rates serve. fp32 throughout, products as fp32 chains of math::linear: the same bits on every ISA
// and for any thread count. Embeddings, heads and vectors are AdamW's. Called by the context's owner; the caller keeps
// parameters and momentum.
#pragma once

#include "math/ops/op_context.h"

namespace hone::train {

using math::MatrixView;

struct MuonParams {
    double learning_rate = 1e-4;
    double momentum = 0.95;
    double weight_decay = 0;  // decoupled
};

// Momentum starts at 0. Views of one shape.
struct MuonMatrix {
    MatrixView<float> parameter;
    MatrixView<const float> gradient;
    MatrixView<float> momentum;
};

// With g = gradient * gradient_factor:
//   momentum = mu momentum + g;  u = g + mu momentum (Nesterov);
//   p -= lr (0.2 sqrt(max(rows, cols)) orthogonalised(u) + weight_decay p)
void muon_step(math::OpContext& context, const MuonMatrix& matrix, const MuonParams& params, float gradient_factor = 1);

// A step of each: small matrices a thread each, large ones one after the other on all threads. The bits of muon_step().
void muon_steps(math::OpContext& context, std::span<const MuonMatrix> matrices, const MuonParams& params,
                float gradient_factor = 1);

// y = x with its singular values brought near 1 (0.7 to 1.2): five iterations X = aX + bAX + cA^2X, A = XX^T, with (a,
// b, c) = (3.4445, -4.7750, 2.0315), from x / (|x| + 1e-7). The transposed x gives the transposed y, bit for bit.
void orthogonalise(math::OpContext& context, MatrixView<const float> x, MatrixView<float> y);

}  // namespace hone::train
