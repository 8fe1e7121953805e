// The steps of a job: passes forward and back, clipping, the optimiser, publication. Knows neither data nor files. A
// step's loss is the mean over all its passes. The same bits for any thread count. One thread, which owns the pool; what
// is given outlives it.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "train/objective.h"
#include "train/optimisers/optimiser.h"
#include "train/trained_weights.h"

namespace hone::train {

struct StepReport {
    PassLoss loss;  // means over the step
    double learning_rate = 0, gradient_norm = 0;
    int64_t tokens = 0;         // that passed the model
    double weight = 0;          // of the means
    double load_violation = 0;  // ExpertBalance::violation; 0 where biases are left alone
    bool is_skipped = false;    // the gradient was not finite: nothing has changed
};

// How the load of experts is evened out.
struct BalanceOptions {
    float aux_coefficient = 0;  // of the load-balancing loss
    float bias_rate = 0;        // of the update of router biases (balance.h)
};

class Trainer {
  public:
    // `weights` are published; without router biases bias_rate is 0. activation_bytes: TrainingOptions.
    Trainer(const model::Model& model, TrainedWeights& weights, Objective& objective, const OptimiserOptions& optimiser,
            const BalanceOptions& balance, math::OpContext& ops,
            size_t activation_bytes = TrainingOptions().activation_bytes);

    // Errors: no memory to publish.
    Result<StepReport> step(std::span<const Batch> passes, double learning_rate);
    // The sums of a batch's losses; divided by the sum of the weights they are means.
    PassLoss evaluate(const Batch& batch);

    // False only where a step was left by an exception while it changed the weights.
    bool is_whole() const { return is_whole_; }
    double weight(const Batch& batch) const { return objective_.weight(batch); }
    Optimiser& optimiser() { return optimiser_; }

  private:
    // With the weights as they are published now.
    Student student(ExpertBalance* balance = nullptr) {
        pass_.use(weights_.adapter().get());
        return {model_, ops_, pass_, balance};
    }

    const model::Model& model_;
    TrainedWeights& weights_;
    Objective& objective_;
    const BalanceOptions balancing_;
    std::optional<ExpertBalance> balance_;  // with a bias rate
    math::OpContext& ops_;
    Optimiser optimiser_;
    TrainingPass pass_;
    bool is_whole_ = true;
};

}  // namespace hone::train
