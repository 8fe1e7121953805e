// One batch through a model and back: log-probabilities of targets by the very layers that serve, then the gradients of
// the weights that are trained. Between the two the caller computes a loss. Inputs of layers are kept, of as many layers
// as memory is given for, and what costs most in them (model/nn/kept_results.h); on the way back a layer is computed
// again but for that, with the same bits, and recorded. Logits are held for a block of rows at a time.
// One thread; the model, ops and gradients outlive it.
#pragma once

#include <optional>
#include <vector>

#include "base/function_ref.h"
#include "math/autograd/tape.h"
#include "math/ops/aux_loss.h"
#include "math/ops/logprob.h"
#include "math/ops/phase_clock.h"
#include "model/adapter.h"
#include "model/nn/kept_results.h"

namespace hone::train {

// Documents packed end to end: document d has the tokens offsets[d] to offsets[d + 1], positions from 0, and attends to
// itself alone. Several targets a token are several tokens to predict from it.
struct PackedBatch {
    std::span<const int32_t> tokens;   // [T], inside the vocabulary
    std::span<const int64_t> offsets;  // of at least one document; from 0 to T, ascending
    math::MatrixView<const int32_t>
        targets;  // [T, K], inside the vocabulary; K = 0: no log-probabilities are asked for
};

struct TrainingOptions {
    float aux_coefficient = 0;  // of the load-balancing loss (math/ops/aux_loss.h) in the gradients, at first
    size_t logits_bytes = size_t{64} << 20;  // of rows that cross the head together, at least 32; changes no bit
    // Of what forward() keeps for the way back: first the inputs of layers, where that is not enough for all of them at
    // least about twice the root of their number, so that others' are computed again from those before them; then the
    // results of attention; then those of matrix products. Changes no bit.
    size_t activation_bytes = size_t{1} << 30;
    // Sees the experts chosen in each layer and may choose others, with their factors: in the forward pass, and the same
    // when it is computed again. Outlives the pass; null: nobody.
    const model::RouterTap* router_tap = nullptr;
};

// The gradient dlogits, which is zero, of a loss by the logits [rows, vocabulary] of some rows of the batch.
using LogitsLoss =
    FunctionRef<void(int64_t first_row, math::MatrixView<const float> logits, math::MatrixView<float> dlogits)>;

class TrainingPass {
  public:
    // `adapter` changes all rows; `weights` may hold gradients of its factors. Null: none.
    TrainingPass(const model::Model& model, math::OpContext& ops, const math::WeightGradients& weights,
                 const TrainingOptions& options = {}, const model::Adapter* adapter = nullptr);

    // From the next forward() on another version of the adapter, or none, and another coefficient. A pass that lives on
    // keeps its memory.
    void use(const model::Adapter* adapter) { adapter_.adapter = adapter; }
    void set_aux_coefficient(float coefficient) { options_.aux_coefficient = coefficient; }

    // logprobs [T, K] of the targets at temperature 1. What `batch` refers to stays as it is until backward() has ended;
    // without `goes_back` there is none, and nothing is kept for it.
    void forward(const PackedBatch& batch, math::MatrixView<float> logprobs, bool goes_back = true);
    // Both ways where the gradients for the log-probabilities, dlogprobs [T, K], are known beforehand: the bits of
    // forward() and backward(), but the head is computed once, and for the rows alone that have a gradient which is not
    // zero; logprobs of the others stay as they are.
    void run(const PackedBatch& batch, math::MatrixView<float> logprobs, math::MatrixView<const float> dlogprobs);
    // The load-balancing loss of the batch over all its rows and all layers together; 0 for a model without experts.
    double aux_loss() const { return math::aux_loss(load_); }
    // How often each expert was chosen for the rows of forward(): [layers, experts], zeros where a layer has none.
    math::MatrixView<const int64_t> selections() const {
        return {selections_.data(), model_.spec().layers, model_.spec().experts};
    }
    // Adds the gradients for those of the log-probabilities, dlogprobs [T, K], to the weights'. Once after forward(). Rows
    // of zeros do not cross the head: prompts cost nothing there.
    void backward(math::MatrixView<const float> dlogprobs);
    // The same for a loss of the logits themselves, which sees them block after block.
    void backward_from_logits(LogitsLoss loss);

    // The logits [rows, vocabulary] of rows from `first` on; after forward() and before backward().
    void logits(int64_t first, math::MatrixView<float> logits);
    // Rows whose logits may be held together.
    int64_t logits_rows() const { return logits_rows_; }

  private:
    void lay_out(const PackedBatch& batch);
    // Room for what forward() keeps.
    void plan_memory(bool goes_back);
    // Up to the input of the head.
    void run_layers(const PackedBatch& batch, bool goes_back);
    // Computes the inputs again that were not kept, from the last one before layer `last` that was, up to that of `last`.
    void restore_inputs(int32_t last);
    model::Pass pass_over(math::Tape* tape);
    // The adapter's runs for `rows` rows: one, or none without an adapter. Valid until the next call.
    std::span<const model::AdapterRun> adapters_of(int64_t rows);
    // Calls body(some of the rows) for blocks of `rows` whose logits may be held together.
    using Rows = std::span<const int32_t>;
    void for_head_blocks(Rows rows, FunctionRef<void(Rows block)> body);
    // All rows of the batch; and those with a gradient. Valid until the next call of either.
    Rows all_rows();
    Rows rows_with_gradient(math::MatrixView<const float> dlogprobs);
    // Some rows through the head, in the workspace.
    struct HeadBlock {
        math::MatrixView<float> logits;              // [rows, vocabulary]
        std::span<math::LogNormaliser> normalisers;  // a row each
    };
    HeadBlock head_of(math::MatrixView<const float> x, model::Pass& pass);
    // Those of the targets of the block's rows.
    void read_logprobs(Rows rows, const HeadBlock& block, math::MatrixView<float> logprobs) const;
    // The gradient of a block of logits, in their place, for that of their targets' log-probabilities.
    math::MatrixView<float> target_gradients(Rows rows, const HeadBlock& block,
                                             math::MatrixView<const float> dlogprobs);
    // Back from the head, which `rows` cross alone, to the embedding. The gradient of a block of logits, in their place or
    // another.
    using BlockGradient = FunctionRef<math::MatrixView<float>(Rows rows, const HeadBlock& block)>;
    void run_back(Rows rows, BlockGradient gradient_of, math::Way head_way = math::Way::again);

    const model::Model& model_;
    math::OpContext& ops_;
    const math::WeightGradients& weights_;
    TrainingOptions options_;
    const int64_t logits_rows_;
    model::AdapterRun adapter_;

    PackedBatch batch_;
    std::vector<int32_t> positions_, pages_, head_rows_;
    std::vector<math::AttentionSegment> segments_;  // a document each
    math::Workspace kept_;                          // what forward() leaves for backward()
    std::optional<math::Workspace::Scope> kept_scope_;
    math::RouterLoad load_;
    std::vector<int64_t> selections_;
    std::byte* page_memory_ = nullptr;             // keys and values of one layer
    std::vector<math::MatrixView<float>> inputs_;  // of each layer, and of the head; without data where not kept
    std::vector<math::MatrixView<float>> spare_;   // for those that are computed again
    bool goes_back_ = false;
    std::optional<model::KeptResults> results_;  // where there is room for any
};

// The layers out of so many whose inputs are kept, ascending from 0: as many as fit, with room for those that are computed
// again between two of them and for the input of the head, into `most` inputs.
std::vector<bool> kept_inputs(int32_t layers, int64_t most);

}  // namespace hone::train
