// The way back through a recorded pass: for each op, in the order of the forward pass, a step that adds to the gradients
// of what the op read; and those gradients. Ops know nothing of it (docs/architecture.md): whoever calls one pushes its
// backward on the next line. Gradients lie in the workspace, in the scope that encloses the recording; matrices that the
// steps read stay as they are until then. One thread.
#pragma once

#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "math/ops/phase_clock.h"
#include "math/quant/weight.h"

namespace hone::math {

// Where the gradients of the weights that are trained are added up, found by where the weight's data lie: two uses of
// one weight have one gradient. Not owned.
class WeightGradients {
  public:
    // dweight: [n, k] of a matrix, [1, n] of a vector.
    void train(const void* weight, MatrixView<float> dweight) { gradients_[weight] = dweight; }
    // No data if the weight is frozen.
    MatrixView<float> of(const Weight& weight) const { return at(weight.data); }
    std::span<float> of(std::span<const float> weight) const {
        const MatrixView<float> found = at(weight.data());
        return {found.data, static_cast<size_t>(found.rows * found.cols)};
    }

  private:
    MatrixView<float> at(const void* weight) const {
        const auto found = gradients_.find(weight);
        return found == gradients_.end() ? MatrixView<float>{} : found->second;
    }
    std::unordered_map<const void*, MatrixView<float>> gradients_;
};

class Tape {
  public:
    // Both outlive the tape.
    Tape(OpContext& ops, const WeightGradients& weights) : ops_(ops), weights_(weights) {}

    const WeightGradients& weights() const { return weights_; }

    // The gradient of a matrix of the pass, of its shape and dense: zero when it is first asked for. A matrix is known by
    // where it lies, so one that an op changes in place has one gradient, which the op's step changes in place too.
    MatrixView<float> gradient(MatrixView<const float> x);
    // `dx` is the gradient of x from here on, as it stands.
    void set_gradient(MatrixView<const float> x, MatrixView<float> dx);
    // Whether x has the gradient that set_gradient() gave it.
    bool is_set(MatrixView<const float> x) const {
        const auto found = gradients_.find(x.data);
        return found != gradients_.end() && found->second.is_set;
    }
    // For x += y, by its step: y's gradient is x's. Where that was set, and y has none yet, it is the very same memory: the
    // op that made y reads it, before anything else is added to x's.
    void add_gradient(MatrixView<const float> x, MatrixView<const float> y);
    // A matrix of the pass that nobody sets or reads, for its gradient alone: it has no memory.
    MatrixView<float> without_values(int64_t rows, int64_t cols);
    // Nobody reads x any more: its memory, dense, becomes that of gradients.
    void forget(MatrixView<float> x);
    // Called by the step of the op that made x: nobody reads x any more, nor its gradient, if it has one.
    void release(MatrixView<float> x);

    // The step's time is of the phase in which it is pushed.
    void push(std::function<void()> step) {
        steps_.push_back({std::move(step), ops_.phases ? ops_.phases->current() : Phase::other});
    }
    // Runs the steps from the last to the first, and forgets them and all gradients but those of weights.
    void run_back();

  private:
    MatrixView<float> take(int64_t rows, int64_t cols);

    OpContext& ops_;
    const WeightGradients& weights_;
    struct Step {
        std::function<void()> run;
        Phase phase;
    };
    std::vector<Step> steps_;
    struct Gradient {
        MatrixView<float> dx;
        bool is_set = false;  // its memory is not the tape's
    };
    std::unordered_map<const float*, Gradient> gradients_;
    std::unordered_set<const float*> forgotten_;
    std::vector<MatrixView<float>> released_;
};

}  // namespace hone::math
