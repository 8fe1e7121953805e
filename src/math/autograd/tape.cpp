#include "math/autograd/tape.h"

#include <algorithm>
#include <utility>

#include "math/ops/activation.h"
#include "math/ops/parallel.h"

namespace hone::math {

// Of released memory the smallest that is large enough.
MatrixView<float> Tape::take(int64_t rows, int64_t cols) {
    const auto size = [](const MatrixView<float>& matrix) { return matrix.rows * matrix.cols; };
    auto best = released_.end();
    for (auto it = released_.begin(); it != released_.end(); ++it) {
        if (size(*it) >= rows * cols && (best == released_.end() || size(*it) < size(*best))) best = it;
    }
    if (best == released_.end()) return ops_.workspace.matrix<float>(rows, cols);
    const MatrixView<float> taken(best->data, rows, cols);
    released_.erase(best);
    return taken;
}

MatrixView<float> Tape::gradient(MatrixView<const float> x) {
    const auto [found, is_new] = gradients_.try_emplace(x.data);
    if (is_new) {
        const auto dx = take(x.rows, x.cols);
        for_row_blocks(ops_, dx.rows, dx.cols,
                       [&](int64_t first, int64_t count, int) { std::fill_n(dx.row(first), count * dx.cols, 0.0f); });
        found->second.dx = dx;
    }
    const MatrixView<float>& dx = found->second.dx;
    CHECK(dx.rows == x.rows && dx.cols == x.cols, "gradient [{}, {}] of [{}, {}]", dx.rows, dx.cols, x.rows, x.cols);
    return dx;
}

void Tape::set_gradient(MatrixView<const float> x, MatrixView<float> dx) {
    CHECK(dx.rows == x.rows && dx.cols == x.cols, "gradient [{}, {}] of [{}, {}]", dx.rows, dx.cols, x.rows, x.cols);
    gradients_[x.data] = {dx, true};
}

void Tape::add_gradient(MatrixView<const float> x, MatrixView<const float> y) {
    const MatrixView<float> dx = gradient(x);
    if (is_set(x) && !gradients_.contains(y.data)) return set_gradient(y, dx);
    add(ops_, dx, gradient(y));
}

MatrixView<float> Tape::without_values(int64_t rows, int64_t cols) {
    const MatrixView<float> x(ops_.workspace.vector<float>(1).data(), rows, cols);  // a place to be known by
    forgotten_.insert(x.data);
    return x;
}

void Tape::forget(MatrixView<float> x) {
    if (forgotten_.insert(x.data).second) released_.push_back(x);
}

void Tape::release(MatrixView<float> x) {
    forget(x);
    const auto found = gradients_.find(x.data);
    if (found == gradients_.end()) return;
    if (!found->second.is_set) released_.push_back(found->second.dx);
    gradients_.erase(found);
}

void Tape::run_back() {
    const WayScope way(ops_, Way::back);
    for (; !steps_.empty(); steps_.pop_back()) {
        const PhaseScope phase(ops_, steps_.back().phase);
        steps_.back().run();
    }
    gradients_.clear();
    forgotten_.clear();
    released_.clear();
}

}  // namespace hone::math
