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

}  // namespace hone::math
