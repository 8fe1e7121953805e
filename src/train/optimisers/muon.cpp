#include "train/optimisers/muon.h"

#include <cmath>
#include <cstring>

#include "math/ops/activation.h"
#include "math/ops/linear.h"
#include "math/ops/matrix_product.h"
#include "math/ops/parallel.h"
#include "train/optimisers/gradient_norm.h"

namespace hone::train {
namespace {

using math::OpContext;
using math::Workspace;

constexpr int kIterations = 5;
constexpr auto kFormat = math::WeightFormat::f32;

template <class A, class B>
void check_same_shape(const MatrixView<A>& a, const MatrixView<B>& b) {
    CHECK(a.rows == b.rows && a.cols == b.cols, "[{}, {}] and [{}, {}]", a.rows, a.cols, b.rows, b.cols);
}

// Runs body(i) for every row.
void for_rows(OpContext& context, int64_t rows, int64_t row_work, auto&& body) {
    math::for_row_blocks(context, rows, row_work, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) body(i);
    });
}

void transpose(OpContext& context, MatrixView<const float> x, MatrixView<float> y) {
    for_rows(context, y.rows, y.cols, [&](int64_t i) {
        for (int64_t j = 0; j < y.cols; j++) y.row(i)[j] = x.row(j)[i];
    });
}

// b [n, k] as the weight of y = a b^T.
math::Weight packed_rows(OpContext& context, MatrixView<const float> b) {
    constexpr int64_t kPart = 64;  // rows that pack_weight takes at a time
    const auto packed =
        context.workspace.vector<std::byte>(static_cast<int64_t>(math::packed_bytes(kFormat, b.rows, b.cols)));
    std::memset(packed.data(), 0, packed.size());
    context.pool.parallel_for((b.rows + kPart - 1) / kPart, [&](int64_t part, int) {
        const int64_t first = part * kPart;
        math::pack_weight(kFormat, b.rows, b.cols, first, std::min(kPart, b.rows - first), b.row(first), packed.data());
    });
    return {kFormat, static_cast<int32_t>(b.rows), static_cast<int32_t>(b.cols), packed.data()};
}

// y = a b.
void product(OpContext& context, MatrixView<const float> a, MatrixView<const float> b, MatrixView<float> y) {
    Workspace::Scope scope(context.workspace);
    const std::byte* packed = math::packed_columns(context, math::kF32Panel, context.kernels.gemm.pack_columns_f32, b);
    math::linear(context, a, {kFormat, static_cast<int32_t>(b.cols), static_cast<int32_t>(b.rows), packed}, y);
}

// y = a b^T.
void product_with_transposed(OpContext& context, MatrixView<const float> a, MatrixView<const float> b,
                             MatrixView<float> y) {
    Workspace::Scope scope(context.workspace);
    math::linear(context, a, packed_rows(context, b), y);
}

// x = a x + b A x + c A^2 x with A = x x^T, which is symmetric to the bit: a product of an element and its mirror image
// are the same chain. x [m, n], m <= n.
void newton_schulz_iteration(OpContext& context, MatrixView<float> x) {
    constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;
    Workspace::Scope scope(context.workspace);
    const auto gram = context.workspace.matrix<float>(x.rows, x.rows);
    const auto polynomial = context.workspace.matrix<float>(x.rows, x.rows);
    const auto y = context.workspace.matrix<float>(x.rows, x.cols);
    product_with_transposed(context, x, x, gram);
    product(context, gram, gram, polynomial);
    for_rows(context, x.rows, x.rows, [&](int64_t i) {
        for (int64_t j = 0; j < x.rows; j++) {
            polynomial.row(i)[j] = kB * gram.row(i)[j] + kC * polynomial.row(i)[j];
        }
    });
    product(context, polynomial, x, y);
    for_rows(context, x.rows, x.cols, [&](int64_t i) {
        for (int64_t j = 0; j < x.cols; j++) x.row(i)[j] = kA * x.row(i)[j] + y.row(i)[j];
    });
}

// Multiplications of a step.
int64_t products_of(const MuonMatrix& matrix) {
    const int64_t rows = std::min(matrix.parameter.rows, matrix.parameter.cols);
    const int64_t cols = std::max(matrix.parameter.rows, matrix.parameter.cols);
    return kIterations * rows * rows * (2 * cols + rows);
}

double norm_of(OpContext& context, MatrixView<const float> x) {
    std::vector<std::span<const float>> rows;
    for (int64_t i = 0; i < x.rows; i++) rows.push_back(x.row_span(i));
    return gradient_norm(context.pool, rows);
}

}  // namespace

void orthogonalise(OpContext& context, MatrixView<const float> x, MatrixView<float> y) {
    check_same_shape(x, y);
    Workspace::Scope scope(context.workspace);
    const bool is_tall = x.rows > x.cols;
    const auto wide = context.workspace.matrix<float>(std::min(x.rows, x.cols), std::max(x.rows, x.cols));
    if (is_tall) {
        transpose(context, x, wide);
    } else {
        math::copy(context, x, wide);
    }
    // Of the wide form in both cases, so that both sum in the same order.
    const auto scale = static_cast<float>(1 / (norm_of(context, wide) + 1e-7));
    for_rows(context, wide.rows, wide.cols, [&](int64_t i) {
        for (float& value : wide.row_span(i)) value *= scale;
    });
    for (int iteration = 0; iteration < kIterations; iteration++) newton_schulz_iteration(context, wide);
    if (is_tall) {
        transpose(context, wide, y);
    } else {
        math::copy(context, wide, y);
    }
}

void muon_step(OpContext& context, const MuonMatrix& matrix, const MuonParams& params, float gradient_factor) {
    check_same_shape(matrix.parameter, matrix.gradient);
    check_same_shape(matrix.parameter, matrix.momentum);
    const int64_t rows = matrix.parameter.rows, cols = matrix.parameter.cols;
    Workspace::Scope scope(context.workspace);
    const auto update = context.workspace.matrix<float>(rows, cols);
    const auto mu = static_cast<float>(params.momentum);
    for_rows(context, rows, cols, [&](int64_t i) {
        for (int64_t j = 0; j < cols; j++) {
            const float g = matrix.gradient.row(i)[j] * gradient_factor;
            float& momentum = matrix.momentum.row(i)[j];
            momentum = mu * momentum + g;
            update.row(i)[j] = g + mu * momentum;
        }
    });
    if (params.learning_rate == 0) return;  // not even the sign of a zero changes
    orthogonalise(context, update, update);
    constexpr double kAdamRms = 0.2;
    const double longest = static_cast<double>(std::max(rows, cols));
    const auto rate = static_cast<float>(params.learning_rate * kAdamRms * std::sqrt(longest));
    const auto decay = static_cast<float>(params.learning_rate * params.weight_decay);
    for_rows(context, rows, cols, [&](int64_t i) {
        for (int64_t j = 0; j < cols; j++) {
            float& p = matrix.parameter.row(i)[j];
            p -= rate * update.row(i)[j] + decay * p;
        }
    });
}

void muon_steps(OpContext& context, std::span<const MuonMatrix> matrices, const MuonParams& params,
                float gradient_factor) {
    constexpr int64_t kSmall = int64_t{1} << 28;  // a few milliseconds of a thread
    std::vector<const MuonMatrix*> small;
    for (const MuonMatrix& matrix : matrices) {
        if (products_of(matrix) <= kSmall)
            small.push_back(&matrix);
        else
            muon_step(context, matrix, params, gradient_factor);
    }
    math::for_each_alone(context, std::ssize(small), [&](OpContext& own, int64_t i) {
        muon_step(own, *small[static_cast<size_t>(i)], params, gradient_factor);
    });
}

}  // namespace hone::train
