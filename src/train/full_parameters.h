// All weights of a model as they are trained: fp32 masters with gradients, and the packed weights computed from them,
// which the model's layers read. In INT4 formats this is quantisation-aware training with straight-through gradients:
// the forward pass runs the serving kernels on codes made by the one quantiser, so what is packed afterwards has the same
// bits. One thread; the model and the pool outlive it, and the model's weights end with it.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/huge_pages.h"
#include "base/thread_pool.h"
#include "math/autograd/tape.h"
#include "model/checkpoint/weight_plan.h"
#include "train/parameter.h"

namespace hone::train {

class FullParameters {
  public:
    // The masters take the values that the model's weights have now (bf16 and fp32 exactly, INT4 as codes times scales);
    // from here on the model reads weights of its own, packed in `choice`'s formats. Errors: no memory for masters and
    // gradients (8 bytes a weight) and for the packed weights.
    static Result<FullParameters> create(model::Model& model, model::WeightChoice choice, ThreadPool& pool);

    // In the order of Model::visit, a tied weight once; all that gradients move.
    std::span<const Parameter> parameters() const { return std::span(parameters_).first(trained_); }
    // The biases of routers' choices, of each layer that has one, without gradients: the model reads these very values
    // (train/balance.h moves them, not during a pass).
    std::span<const Parameter> router_biases() const { return std::span(parameters_).subspan(trained_); }
    const math::WeightGradients& gradients() const { return gradients_; }
    void clear_gradients(ThreadPool& pool);
    // Packs the masters anew: the next pass sees them. Not during a pass.
    void publish();

  private:
    // What the model reads of a parameter that is not read as it is.
    struct PackedForm {
        size_t parameter;
        math::WeightFormat format;
        std::byte* data;
    };

    explicit FullParameters(ThreadPool& pool) : pool_(&pool) {}
    Status allocate(const model::WeightPlan& plan);
    void take_values(std::span<const model::PlannedWeight> weights);
    void attach(std::span<const model::PlannedWeight> weights);
    math::MatrixView<float> matrix_of(size_t parameter) const;
    // The parameter that a weight of the plan is.
    size_t parameter_of(const model::PlannedWeight& weight) const { return index_.at(weight.slot.name); }

    ThreadPool* pool_;
    HugeMemory values_, packed_memory_;  // masters, then gradients; packed forms
    std::unordered_map<std::string, size_t> index_;
    std::vector<Parameter> parameters_;  // first those that are trained
    size_t trained_ = 0;
    std::vector<PackedForm> packed_;
    math::WeightGradients gradients_;
};

}  // namespace hone::train
