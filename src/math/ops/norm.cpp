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

}  // namespace hone::math
