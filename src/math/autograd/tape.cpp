#include "math/autograd/tape.h"

#include <algorithm>
#include <utility>

#include "math/ops/parallel.h"

namespace hone::math {

MatrixView<float> Tape::gradient(MatrixView<const float> x) {
    const auto [found, is_new] = gradients_.try_emplace(x.data);
    if (is_new) {
        const auto dx = ops_.workspace.matrix<float>(x.rows, x.cols);
        for_row_blocks(ops_, dx.rows, dx.cols,
                       [&](int64_t first, int64_t count, int) { std::fill_n(dx.row(first), count * dx.cols, 0.0f); });
        found->second = dx;
    }
    CHECK(found->second.rows == x.rows && found->second.cols == x.cols, "gradient [{}, {}] of [{}, {}]",
          found->second.rows, found->second.cols, x.rows, x.cols);
    return found->second;
}

void Tape::set_gradient(MatrixView<const float> x, MatrixView<float> dx) {
    CHECK(dx.rows == x.rows && dx.cols == x.cols, "gradient [{}, {}] of [{}, {}]", dx.rows, dx.cols, x.rows, x.cols);
    gradients_[x.data] = dx;
}

void Tape::run_back() {
    const WayScope way(ops_, Way::back);
    for (; !steps_.empty(); steps_.pop_back()) {
        const PhaseScope phase(ops_, steps_.back().phase);
        steps_.back().run();
    }
    gradients_.clear();
}

}  // namespace hone::math
