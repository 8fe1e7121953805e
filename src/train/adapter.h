// A low-rank adapter in training: which matrices of a model it changes, its factors in fp32 with their gradients, and
// what is packed of them for passes. Names and layout of its tensors are those of Tinker's adapter files. Owned and
// called by the trainer's thread; the model outlives it, and packed adapters may outlive it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "math/autograd/tape.h"
#include "model/adapter_file.h"
#include "train/parameter.h"

namespace hone::train {

// Of the factors of a layer's experts: `shared_outer` has one that touches the residual stream for all of them (A of gate
// and up, B of down), and the other one for each; `per_expert` has both for each.
enum class ExpertFactors : uint8_t { shared_outer, per_expert };

struct AdapterSpec {
    int32_t rank = 32;  // >= 1
    float alpha = 32;   // products are scaled by alpha / rank
    // Matrices of attention, of feed-forward layers (routers never), and the head.
    bool attention = true, mlp = true, unembed = true;
    ExpertFactors experts = ExpertFactors::shared_outer;
    uint64_t seed = 0;  // of A
};

class TrainedAdapter {
  public:
    // A is uniform in +-1 / sqrt(k), a function of the seed, the matrix and the element alone; B is zero. The model's
    // weights are set. (`visit` of a model may write, here it does not.)
    TrainedAdapter(model::Model& model, const AdapterSpec& spec, ThreadPool& pool);
    // Goes on from a file's values, in its layout and with its ranks. Errors: as of model::fit_adapter.
    static Result<TrainedAdapter> from(model::Model& model, const model::AdapterContents& contents);
    TrainedAdapter(TrainedAdapter&&) = default;

    // The factors, A [rank, k] and B [n, rank], of experts with their number, or 1, in front:
    // "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight". In the order of the model's matrices, A before B;
    // the spans stay where they are.
    std::span<const Parameter> parameters() const { return parameters_; }
    void clear_gradients(ThreadPool& pool);

    // The parameters as they are, for any number of passes. The version before is let go first: where nobody else has it,
    // memory holds one. Error: no memory.
    Result<std::shared_ptr<const model::Adapter>> publish(ThreadPool& pool);
    // What write_adapter writes: views of the parameters. `base_model` is told in the file.
    model::AdapterContents contents(std::string base_model = {}) const;
    // Where passes under the adapter that was published last add up gradients.
    const math::WeightGradients& gradients() const { return gradients_; }

  private:
    TrainedAdapter() = default;
    void add_target(const model::AdapterTarget& target, int32_t rank, double alpha, math::Shape a, math::Shape b);
    void add_parameter(const std::string& name, math::Shape shape);

    std::vector<model::AdapterTarget> targets_;  // that it changes
    std::vector<int32_t> ranks_;                 // of each
    std::vector<double> alphas_;
    std::vector<Parameter> parameters_;       // A and B of each target
    std::vector<std::vector<float>> values_;  // and gradient of each
    std::shared_ptr<const model::Adapter> published_;
    math::WeightGradients gradients_;
};

}  // namespace hone::train
