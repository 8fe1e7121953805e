#include "cli/simulate/true_costs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hone::cli {
namespace {

struct Demand {
    double operations = 0, attention_operations = 0, bytes = 0;
};

double seconds_of(const Demand& demand, const MachineRates& rates) {
    const double memory = demand.bytes / rates.bytes;
    const double compute =
        demand.operations / rates.operations + demand.attention_operations / rates.attention_operations;
    return std::max(compute, memory) + (1 - rates.overlap) * std::min(compute, memory);
}

// Projections and attention. Norms, routers and activations in memory are left out.
Demand attention_of(const ModelExtents& model, const engine::LayerWork& work) {
    const double elements = model.projection_elements();
    return {.operations = 2 * elements * static_cast<double>(work.rows),
            .attention_operations = 4.0 * model.heads * model.head_size * static_cast<double>(work.pairs),
            .bytes = elements * model.weight_bits / 8 + model.key_bytes() * static_cast<double>(work.context)};
}

Demand dense_of(const ModelExtents& model, const engine::LayerWork& work) {
    const double elements = 3.0 * model.hidden * model.dense_inner;
    return {.operations = 2 * elements * static_cast<double>(work.rows), .bytes = elements * model.weight_bits / 8};
}

Demand experts_of(const ModelExtents& model, double distinct, const MachineRates& rates,
                  const engine::LayerWork& work) {
    const double products = static_cast<double>(work.rows) * model.experts_per_token;
    const double rows_each = products / distinct;
    const double efficiency = rows_each / (rows_each + rates.expert_rows_half);
    return {.operations = 6.0 * model.hidden * model.expert_inner * products / efficiency,
            .bytes = distinct * model.expert_bytes()};
}

constexpr int kMostRows = 8192;  // of the table; more rows use as many experts

// How many of the experts 0, 1, ... `rows` rows use, each row experts_per_token of them, chosen in proportion to
// (i + 1)^-skew. A row uses expert i with 1 - (1 - p_i)^draws, where `draws` is such that it uses experts_per_token.
std::vector<double> skewed_distinct(const ModelExtents& model) {
    std::vector<double> left(static_cast<size_t>(model.experts));  // chance that one draw is another expert
    double sum = 0;
    for (int32_t i = 0; i < model.experts; i++) sum += std::pow(i + 1, -model.expert_skew);
    for (int32_t i = 0; i < model.experts; i++)
        left[static_cast<size_t>(i)] = 1 - std::pow(i + 1, -model.expert_skew) / sum;
    const auto used = [&](double draws) {
        double experts = 0;
        for (const double one : left) experts += 1 - std::pow(one, draws);
        return experts;
    };
    double low = 0, high = 1;
    while (used(high) < model.experts_per_token && high < 1e12) high *= 2;
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        (used(middle) < model.experts_per_token ? low : high) = middle;
    }
    std::vector<double> distinct(kMostRows + 1);
    for (int rows = 0; rows <= kMostRows; rows++) distinct[static_cast<size_t>(rows)] = used(high * rows);
    return distinct;
}

}  // namespace

TrueCosts::TrueCosts(const ModelExtents& model, const MachineRates& rates)
    : model_(model), shape_(model.shape()), costs_(rates) {
    if (model.experts > 0 && model.expert_skew > 0) distinct_ = skewed_distinct(model);
}

TrueCosts::TrueCosts(const ModelExtents& model, const engine::StepCosts& measured)
    : model_(model), shape_(model.shape()), costs_(measured) {}

double TrueCosts::distinct_experts(int64_t rows) const {
    if (distinct_.empty()) return static_cast<double>(shape_.distinct_experts_1024(rows)) / 1024;
    return distinct_[static_cast<size_t>(std::min<int64_t>(rows, kMostRows))];
}

engine::ModelShape ModelExtents::shape() const {
    std::vector<int32_t> routed(static_cast<size_t>(experts > 0 ? layers - dense_layers : 0));
    std::iota(routed.begin(), routed.end(), dense_layers);
    return {layers, routed, experts, experts_per_token};
}

double TrueCosts::layer_seconds(const engine::LayerWork& work) const {
    engine::LayerWork layer = work;
    layer.end_layer = layer.first_layer + 1;
    if (const auto* const measured = std::get_if<engine::StepCosts>(&costs_))
        return static_cast<double>(measured->of(shape_, layer)) / engine::kPicosecondsPerSecond;
    const MachineRates& rates = std::get<MachineRates>(costs_);
    const Demand attention = attention_of(model_, work);
    const bool is_routed = shape_.routed_in(layer.first_layer, layer.end_layer) > 0;
    const Demand rest =
        is_routed ? experts_of(model_, distinct_experts(work.rows), rates, work) : dense_of(model_, work);
    if (rates.phases_apart) return rates.layer_seconds + seconds_of(attention, rates) + seconds_of(rest, rates);
    const Demand both{.operations = attention.operations + rest.operations,
                      .attention_operations = attention.attention_operations,
                      .bytes = attention.bytes + rest.bytes};
    return rates.layer_seconds + seconds_of(both, rates);
}

double TrueCosts::head_seconds(int64_t rows) const {
    if (rows == 0) return 0;
    const auto count = static_cast<double>(rows);
    if (const auto* const measured = std::get_if<engine::StepCosts>(&costs_))
        return static_cast<double>(measured->logits) * count / engine::kPicosecondsPerSecond;
    const MachineRates& rates = std::get<MachineRates>(costs_);
    const double elements = static_cast<double>(model_.hidden) * model_.vocabulary;
    return rates.token_seconds * count +
           seconds_of({.operations = 2 * elements * count, .bytes = elements * model_.weight_bits / 8}, rates);
}

double TrueCosts::rest_seconds() const {
    if (const auto* const measured = std::get_if<engine::StepCosts>(&costs_))
        return static_cast<double>(measured->step) / engine::kPicosecondsPerSecond;
    return std::get<MachineRates>(costs_).step_seconds;
}

}  // namespace hone::cli
