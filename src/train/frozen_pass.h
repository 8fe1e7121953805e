// Forward passes of a model that learns nothing: a teacher, a reference. Keeps its memory from one to the next, and nothing
// for a way back. One thread; what is given outlives it.
#pragma once

#include <optional>

#include "train/training_pass.h"

namespace hone::train {

class FrozenPass {
  public:
    // `adapter` may be null.
    FrozenPass(const model::Model& model, const model::Adapter* adapter) : model_(model), adapter_(adapter) {}

    // The pass, for logits of the batch, behind its forward() with logprobs [T, K]. All calls have the same `ops`.
    TrainingPass& run(math::OpContext& ops, const PackedBatch& batch, math::MatrixView<float> logprobs) {
        if (!pass_) pass_.emplace(model_, ops, none_, TrainingOptions(), adapter_);
        pass_->forward(batch, logprobs, false);
        return *pass_;
    }

  private:
    const model::Model& model_;
    const model::Adapter* adapter_;
    const math::WeightGradients none_;
    std::optional<TrainingPass> pass_;
};

}  // namespace hone::train
