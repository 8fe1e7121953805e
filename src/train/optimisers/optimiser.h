// The optimiser of a job: AdamW for all parameters, or Muon for the matrices inside the model and AdamW for embeddings,
// heads and vectors. Owned by the trainer; the parameters' memory outlives it. One thread.
#pragma once

#include <string>
#include <vector>

#include "math/ops/op_context.h"
#include "train/optimisers/adamw_state.h"
#include "train/parameter.h"

namespace hone::train {

enum class OptimiserKind : uint8_t { adamw, muon };

struct OptimiserOptions {
    OptimiserKind kind = OptimiserKind::adamw;
    AdamParams adam;         // of AdamW; weight decay and clipping are Muon's too
    double momentum = 0.95;  // of Muon
};

class Optimiser {
  public:
    Optimiser(std::span<const Parameter> parameters, const OptimiserOptions& options);

    // Clips by the norm of all gradients together and takes step t + 1 at this rate; the norm before clipping. Where it
    // is not finite nothing changes, and the step does not count.
    double step(math::OpContext& ops, double learning_rate);
    int64_t steps() const { return adamw_.steps(); }
    // Goes on as after so many steps, once the moments are set.
    void resume_at(int64_t steps) { adamw_.resume_at(steps); }

    // What has to be kept to go on: "NAME.m" and "NAME.v" of AdamW's parameters, "NAME.momentum" of Muon's.
    struct Moment {
        std::string name;
        math::Shape shape;
        std::span<float> values;
    };
    std::vector<Moment> moments();

    static bool is_for_muon(const Parameter& parameter);

  private:
    OptimiserOptions options_;
    std::vector<Parameter> parameters_;   // all
    std::vector<Parameter> elementwise_;  // AdamW's
    std::vector<Parameter> matrices_;     // Muon's
    AdamwState adamw_;
    std::vector<std::vector<float>> momentum_;  // of matrices_
};

}  // namespace hone::train
