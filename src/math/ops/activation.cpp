#include "math/ops/activation.h"

#include "math/ops/parallel.h"

namespace hone::math {

void swiglu(OpContext& context, MatrixView<const float> gate, MatrixView<const float> up, MatrixView<float> y) {
    CHECK(gate.rows == y.rows && gate.cols == y.cols && up.rows == y.rows && up.cols == y.cols,
          "[{}, {}] and [{}, {}] into [{}, {}]", gate.rows, gate.cols, up.rows, up.cols, y.rows, y.cols);
    constexpr int64_t kWork = 4;  // an exponential and a division an element
    for_row_blocks(context, y.rows, kWork * y.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            context.kernels.rows.swiglu.run(gate.row(i), up.row(i), y.row(i), y.cols);
        }
    });
}

void swiglu_backward(OpContext& context, MatrixView<const float> gate, MatrixView<const float> up,
                     MatrixView<const float> dy, MatrixView<float> dgate, MatrixView<float> dup) {
    for (const MatrixView<const float>& other :
         {gate, up, MatrixView<const float>(dgate), MatrixView<const float>(dup)})
        CHECK(other.rows == dy.rows && other.cols == dy.cols, "[{}, {}] with [{}, {}]", other.rows, other.cols, dy.rows,
              dy.cols);
    constexpr int64_t kWork = 8;  // an exponential and a division an element; seven rows pass through
    for_row_blocks(context, dy.rows, kWork * dy.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            context.kernels.rows.swiglu_backward.run(gate.row(i), up.row(i), dy.row(i), dgate.row(i), dup.row(i),
                                                     dy.cols);
        }
    });
}

void copy(OpContext& context, MatrixView<const float> x, MatrixView<float> y) {
    CHECK(x.rows == y.rows && x.cols == y.cols, "[{}, {}] to [{}, {}]", x.rows, x.cols, y.rows, y.cols);
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) std::copy_n(x.row(i), x.cols, y.row(i));
    });
}

void add(OpContext& context, MatrixView<const float> y, MatrixView<float> x) {
    CHECK(y.rows == x.rows && y.cols == x.cols, "[{}, {}] to [{}, {}]", y.rows, y.cols, x.rows, x.cols);
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) context.kernels.rows.add.run(y.row(i), x.row(i), x.cols);
    });
}

void clamp(OpContext& context, float limit, MatrixView<float> x) {
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) context.kernels.rows.clamp.run(limit, x.row(i), x.cols);
    });
}

void clamp_backward(OpContext& context, MatrixView<const float> x, float limit, MatrixView<float> dy) {
    CHECK(x.rows == dy.rows && x.cols == dy.cols, "[{}, {}] with [{}, {}]", x.rows, x.cols, dy.rows, dy.cols);
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            context.kernels.rows.clamp_backward.run(x.row(i), limit, dy.row(i), x.cols);
        }
    });
}

}  // namespace hone::math
