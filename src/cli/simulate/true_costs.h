// How long steps take in a simulated world: by measured coefficients, or by a machine's rates and a model's extents.
// The scheduler never sees it; it learns from the times (engine/schedule/cost_model.h), as it does on a real machine.
// Values; any thread.
#pragma once

#include <variant>

#include "engine/schedule/step_costs.h"

namespace hone::cli {

// A decoder of layers that are alike but for their feed-forward part: the first dense_layers have one of dense_inner, the
// others experts of expert_inner.
struct ModelExtents {
    int32_t layers = 1, dense_layers = 0;
    int32_t hidden = 1, heads = 1, kv_heads = 1, head_size = 1;
    int32_t experts = 0, experts_per_token = 0, expert_inner = 0, dense_inner = 0;
    int32_t vocabulary = 1;
    double expert_skew = 0;                    // a token chooses the i-th expert in proportion to i^-skew
    double weight_bits = 16, cache_bits = 16;  // per element

    double expert_bytes() const { return 3.0 * hidden * expert_inner * weight_bits / 8; }
    // Elements of the query, key, value and output matrices of a layer.
    double projection_elements() const { return 2.0 * hidden * head_size * (heads + kv_heads); }
    double key_bytes() const { return 2.0 * kv_heads * head_size * cache_bits / 8; }  // and its value, a layer
    engine::ModelShape shape() const;
};

// A roofline: a layer's products at a rate, its bytes at another, whichever is longer, and what of the shorter one does
// not hide behind it.
struct MachineRates {
    double operations = 1, bytes = 1;  // a second
    double attention_operations = 1;   // a second, of a query with keys and values
    double overlap = 1;                // part of the shorter time that hides behind the longer
    bool phases_apart = true;          // attention and feed-forward part overlap only within themselves
    double expert_rows_half = 0;       // a product over M rows an expert reaches M / (M + this) of the rate
    double layer_seconds = 0, step_seconds = 0, token_seconds = 0;  // beside: launches, collectives, sampling a row
};

class TrueCosts {
  public:
    TrueCosts() = default;
    TrueCosts(const ModelExtents& model, const MachineRates& rates);
    TrueCosts(const ModelExtents& model, const engine::StepCosts& measured);

    // Seconds that a layer takes over this work (the first one of its interval).
    double layer_seconds(const engine::LayerWork& work) const;
    // Seconds of so many rows through head and sampler, and of a step beside layers and head.
    double head_seconds(int64_t rows) const;
    double rest_seconds() const;

    // Experts of one layer that `rows` rows are expected to use. The scheduler believes that routing is even.
    double distinct_experts(int64_t rows) const;

    const engine::ModelShape& shape() const { return shape_; }
    const ModelExtents& model() const { return model_; }

  private:
    ModelExtents model_;
    engine::ModelShape shape_;
    std::vector<double> distinct_;  // by rows, where routing is skewed
    std::variant<MachineRates, engine::StepCosts> costs_;
};

}  // namespace hone::cli
