// The load of experts evened out without a loss (Wang et al. 2024, arXiv 2408.15664; DeepSeek-V3, arXiv 2412.19437): after
// a step, the bias that a router adds to its scores for the choice alone rises by a fixed rate for experts that had less
// than the mean load, and falls for those that had more. No gradient takes part, and the factors of the chosen experts
// stay those of the scores. Sums are of whole numbers, so the same loads give the same bits. One thread, between passes;
// sizes that do not agree abort.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/parameter.h"

namespace hone::train {

struct BalanceSpec {
    float rate = 0.001f;  // DeepSeek-V3's; 0 moves nothing
    // Afterwards the mean is taken off the biases. The choice does not see the mean, but a score rounds less beside a
    // small bias. DeepSeek-V3 does not.
    bool is_centred = false;
};

// One layer: bias_e += rate * sign(mean of selections - selections_e), [E] each.
void balance(std::span<const int64_t> selections, const BalanceSpec& spec, std::span<float> bias);

// Largest load / mean load - 1 of a layer ("MaxVio" of Wang et al.): 0 where the load is even, or there is none.
double maximal_violation(std::span<const int64_t> selections);

// The load of a step, which may be several passes, and the biases that it moves.
class ExpertBalance {
  public:
    // `biases` (FullParameters::router_biases) outlive the balance, one for each of `routed_layers`
    // (ModelSpec::routed_layers). A model whose routers have no bias cannot be balanced so: that is for the caller to say.
    ExpertBalance(std::span<const int32_t> routed_layers, std::span<const Parameter> biases);

    // After a forward pass: TrainingPass::selections().
    void add(math::MatrixView<const int64_t> selections);
    // Moves the biases by the load since the last step, and forgets it: the next pass chooses by them.
    void step(const BalanceSpec& spec);

    // Of the load since the last step: the mean over layers of each one's maximal violation.
    double violation() const;

  private:
    struct Layer {
        int32_t layer;
        std::span<float> bias;            // [E]
        std::vector<int64_t> selections;  // [E]
    };
    std::vector<Layer> layers_;
};

}  // namespace hone::train
