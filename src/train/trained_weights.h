// What a job trains: an adapter of a model, or all weights of it. The model outlives it. One thread.
#pragma once

#include <memory>
#include <variant>

#include "train/adapter.h"
#include "train/full_parameters.h"

namespace hone::train {

class TrainedWeights {
  public:
    explicit TrainedWeights(TrainedAdapter adapter) : trained_(std::move(adapter)) {}
    explicit TrainedWeights(FullParameters full) : trained_(std::move(full)) {}

    std::span<const Parameter> parameters() const;
    // What no gradient moves; none of an adapter.
    std::span<const Parameter> router_biases() const;
    // Where the next passes add up gradients: always the same object, other gradients after publish().
    const math::WeightGradients& gradients() const;
    void clear_gradients(ThreadPool& pool);
    // The parameters as they are, for the next passes. Error: no memory.
    Status publish(ThreadPool& pool);
    // As it was published last; null where all weights are trained.
    const std::shared_ptr<const model::Adapter>& adapter() const { return adapter_; }
    // Null where all weights are trained.
    const TrainedAdapter* as_adapter() const { return std::get_if<TrainedAdapter>(&trained_); }

  private:
    std::variant<TrainedAdapter, FullParameters> trained_;
    std::shared_ptr<const model::Adapter> adapter_;
};

}  // namespace hone::train
