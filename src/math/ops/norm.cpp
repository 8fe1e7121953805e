#include "math/ops/norm.h"

#include "math/ops/parallel.h"

namespace hone::math {

void rms_norm(OpContext& context, MatrixView<const float> x, std::span<const float> weight, float epsilon,
              NormWeight kind, MatrixView<float> y) {
    CHECK_EQ(static_cast<int64_t>(weight.size()), x.cols);
    CHECK(y.rows == x.rows && y.cols == x.cols, "[{}, {}] into [{}, {}]", x.rows, x.cols, y.rows, y.cols);
    const auto kernel = context.kernels.rows.rms_norm.run;
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            kernel(x.row(i), weight.data(), epsilon, kind == NormWeight::one_plus, y.row(i), x.cols);
        }
    });
}

void rms_norm_heads(OpContext& context, MatrixView<float> x, std::span<const float> weight, float epsilon,
                    NormWeight kind) {
    const auto head_dim = static_cast<int64_t>(weight.size());
    CHECK(head_dim > 0 && x.cols % head_dim == 0, "{} columns in heads of {}", x.cols, head_dim);
    const auto kernel = context.kernels.rows.rms_norm.run;
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            for (float* head = x.row(i); head < x.row(i) + x.cols; head += head_dim) {
                kernel(head, weight.data(), epsilon, kind == NormWeight::one_plus, head, head_dim);
            }
        }
    });
}

void rms_norm_backward(OpContext& context, MatrixView<const float> x, std::span<const float> weight, float epsilon,
                       NormWeight kind, MatrixView<const float> dy, MatrixView<float> dx, std::span<float> dweight) {
    CHECK_EQ(static_cast<int64_t>(weight.size()), x.cols);
    rms_norm_heads_backward(context, x, weight, epsilon, kind, dy, dx, dweight);
}

void rms_norm_heads_backward(OpContext& context, MatrixView<const float> x, std::span<const float> weight,
                             float epsilon, NormWeight kind, MatrixView<const float> dy, MatrixView<float> dx,
                             std::span<float> dweight) {
    constexpr int64_t kBlock = 32, kWork = 3;  // rows whose part of dweight is one chain; x and dy read, dx added to
    const auto head_dim = static_cast<int64_t>(weight.size());
    CHECK(head_dim > 0 && x.cols % head_dim == 0, "{} columns in heads of {}", x.cols, head_dim);
    CHECK(dy.rows == x.rows && dy.cols == x.cols && dx.rows == x.rows && dx.cols == x.cols,
          "[{}, {}] from [{}, {}] into [{}, {}]", x.rows, x.cols, dy.rows, dy.cols, dx.rows, dx.cols);
    CHECK(dweight.empty() || dweight.size() == weight.size(), "{} for {}", dweight.size(), weight.size());
    const RowKernels& kernels = context.kernels.rows;
    const int64_t blocks = (x.rows + kBlock - 1) / kBlock;
    const Workspace::Scope scope(context.workspace);
    const auto parts = context.workspace.matrix<float>(dweight.empty() ? 0 : blocks, head_dim);
    for_tiles(context, blocks, kWork * x.rows * x.cols, [&](int64_t block, int) {
        float* part = dweight.empty() ? nullptr : parts.row(block);
        if (part) std::fill_n(part, head_dim, 0.0f);
        for (int64_t i = block * kBlock; i < std::min(x.rows, (block + 1) * kBlock); i++) {
            for (int64_t head = 0; head < x.cols; head += head_dim) {
                kernels.rms_norm_backward.run({.x = x.row(i) + head,
                                               .weight = weight.data(),
                                               .epsilon = epsilon,
                                               .one_plus = kind == NormWeight::one_plus,
                                               .dy = dy.row(i) + head,
                                               .dx = dx.row(i) + head,
                                               .dweight = part},
                                              head_dim);
            }
        }
    });
    for (int64_t block = 0; block < parts.rows; block++) kernels.add.run(parts.row(block), dweight.data(), head_dim);
}

}  // namespace hone::math
