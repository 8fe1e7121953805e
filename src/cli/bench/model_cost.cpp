#include "cli/bench/model_cost.h"

namespace hone::cli {
namespace {

using math::Phase;
using model::WeightRole;

// The operations of a row in a matrix, added where its class puts them.
void add_operations(const math::Weight& weight, math::NumericClass int4_class, double operations, Work& work) {
    const bool is_int4 = weight.format == math::WeightFormat::int4_g32;
    if (weight.format == math::WeightFormat::f32)
        work.f32_ops += operations;
    else if (is_int4 && int4_class != math::NumericClass::f32seq)
        work.i8_ops += operations;
    else
        work.bf16_ops += operations;
}

Work scaled(const Work& work, double rows, double bytes) {
    return {work.i8_ops * rows, work.bf16_ops * rows, work.f32_ops * rows, bytes};
}

}  // namespace

ModelCost cost_of(model::Model& model, math::NumericClass int4_class) {
    const model::ModelSpec& spec = model.spec();
    ModelCost cost;
    model.visit([&](const model::WeightSlot& slot) {
        if (!slot.matrix || slot.role == WeightRole::embedding) return;
        const bool is_expert = slot.role == WeightRole::expert;
        Work& work = is_expert                         ? cost.expert
                     : slot.role == WeightRole::head   ? cost.head
                     : slot.role == WeightRole::router ? cost.router
                                                       : cost.dense;
        const double chosen = is_expert ? static_cast<double>(spec.experts_per_token) / spec.experts : 1;
        add_operations(*slot.matrix, int4_class, 2.0 * slot.n * slot.k * chosen, work);
        work.bytes += static_cast<double>(math::packed_bytes(slot.matrix->format, slot.n, slot.k));
    });
    if (spec.experts)
        cost.expert.bytes /= static_cast<double>(spec.experts) * static_cast<double>(spec.routed_layers.size());
    const double layers = spec.layers;
    cost.attention_ops = 4.0 * spec.heads * spec.head_dim * layers;
    cost.key_bytes =
        static_cast<double>(math::kv_layer_bytes(spec.kv_heads, spec.head_dim)) / math::kPageTokens * layers;
    return cost;
}

PhaseWork work_of(const ModelCost& cost, const PassCounts& counts) {
    PhaseWork work;
    const auto at = [&](Phase phase) -> Work& { return work[static_cast<size_t>(phase)]; };
    at(Phase::dense) = scaled(cost.dense, counts.rows, cost.dense.bytes * counts.passes);
    at(Phase::router) = scaled(cost.router, counts.rows, cost.router.bytes * counts.passes);
    at(Phase::head) = scaled(cost.head, counts.logits_rows, cost.head.bytes * counts.head_passes);
    at(Phase::experts) = scaled(cost.expert, counts.rows, cost.expert.bytes * counts.experts);
    at(Phase::attention) = {.bf16_ops = cost.attention_ops * counts.keys_seen,
                            .bytes = cost.key_bytes * counts.keys_read};
    return work;
}

Work sum_of(const PhaseWork& work) {
    Work sum;
    for (const Work& phase : work) {
        sum = {sum.i8_ops + phase.i8_ops, sum.bf16_ops + phase.bf16_ops, sum.f32_ops + phase.f32_ops,
               sum.bytes + phase.bytes};
    }
    return sum;
}

double seconds_of(const PhaseWork& work, const MachineLimits& limits) {
    double seconds = 0;
    for (const Work& phase : work) seconds += phase.seconds(limits);
    return seconds;
}

}  // namespace hone::cli
