#include "train/adapter.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/rng.h"

namespace hone::train {

using math::MatrixView;
using model::WeightRole;
using model::WeightSlot;

namespace {

enum class Part { attention, mlp, unembed };

// How a slot of a model is called in adapter files; the experts of a layer share names.
struct TargetName {
    std::string name;
    Part part;
    bool is_expert = false, shares_a = false, shares_b = false;  // the latter two of shared_outer
};

// PREFIX.experts.E.gate_proj.weight is one of PREFIX.experts.w1: w1, w3 and w2 are gate, up and down, as some checkpoints
// call them too.
TargetName expert_target(const std::string& prefix, const std::string& slot) {
    constexpr std::string_view kExperts = ".experts.";
    const size_t experts = slot.find(kExperts);
    CHECK(experts != std::string::npos, "expert {}", slot);
    const size_t matrix = slot.find('.', experts + kExperts.size()) + 1;
    const std::string_view kind = std::string_view(slot).substr(matrix, slot.find('.', matrix) - matrix);
    const std::string layer = prefix + slot.substr(0, experts + kExperts.size());
    if (kind == "gate_proj" || kind == "w1") return {layer + "w1", Part::mlp, true, true, false};
    if (kind == "up_proj" || kind == "w3") return {layer + "w3", Part::mlp, true, true, false};
    CHECK(kind == "down_proj" || kind == "w2", "expert {}", slot);
    return {layer + "w2", Part::mlp, true, false, true};
}

// Nothing for what is never adapted.
std::optional<TargetName> target_of(const WeightSlot& slot) {
    const std::string prefix = "base_model.model.";
    switch (slot.role) {
        case WeightRole::head:
            return TargetName{prefix + "model.unembed_tokens", Part::unembed};
        case WeightRole::expert:
            return expert_target(prefix, slot.name);
        case WeightRole::linear: {
            const bool is_mlp = slot.name.find(".mlp.") != std::string::npos;
            return TargetName{prefix + slot.name.substr(0, slot.name.rfind(".weight")),
                              is_mlp ? Part::mlp : Part::attention};
        }
        case WeightRole::embedding:
        case WeightRole::router:
        case WeightRole::router_bias:
        case WeightRole::norm:
            break;
    }
    return std::nullopt;
}

bool wants(const AdapterSpec& spec, Part part) {
    switch (part) {
        case Part::attention:
            return spec.attention;
        case Part::mlp:
            return spec.mlp;
        case Part::unembed:
            return spec.unembed;
    }
    return false;
}

}  // namespace

std::vector<TrainedAdapter::Target> TrainedAdapter::targets_of(model::Model& model, const AdapterSpec& spec) {
    std::vector<Target> targets;
    std::vector<std::string> names;  // of all targets, wanted or not: a few at the end are of the layer being listed
    model.visit([&](const WeightSlot& slot) {
        const auto target = target_of(slot);
        if (!target) return;
        const auto same = [&](const auto& known) { return known == target->name; };
        const bool is_new = !target->is_expert || std::none_of(names.rbegin(), names.rend(), same);
        if (is_new) names.push_back(target->name);
        if (!wants(spec, target->part)) return;
        if (!is_new) {
            const auto of_name = [&](const Target& known) { return known.name == target->name; };
            std::find_if(targets.rbegin(), targets.rend(), of_name)->experts++;
            return;
        }
        const bool shares = spec.experts == ExpertFactors::shared_outer;
        CHECK(slot.matrix->data, "{} has no data", slot.name);
        targets.push_back({.name = target->name,
                           .ordinal = names.size() - 1,
                           .base = *slot.matrix,
                           .is_expert = target->is_expert,
                           .shares_a = shares && target->shares_a,
                           .shares_b = shares && target->shares_b});
    });
    return targets;
}

TrainedAdapter::TrainedAdapter(model::Model& model, const AdapterSpec& spec, ThreadPool& pool)
    : spec_(spec), targets_(targets_of(model, spec)) {
    CHECK(spec.rank >= 1, "rank {}", spec.rank);
    for (const Target& target : targets_) {
        const auto shape = [&](int64_t n, int64_t k, bool is_shared) {
            return target.is_expert ? math::Shape{is_shared ? 1 : target.experts, n, k} : math::Shape{n, k};
        };
        add_parameter(target.name + ".lora_A.weight", shape(spec.rank, target.base.k, target.shares_a));
        add_parameter(target.name + ".lora_B.weight", shape(target.base.n, spec.rank, target.shares_b));
    }
    pool.parallel_for(std::ssize(targets_), [&](int64_t i, int) {
        const Target& target = targets_[static_cast<size_t>(i)];
        const double limit = 1 / std::sqrt(static_cast<double>(target.base.k));
        const std::span<float> a = parameters_[static_cast<size_t>(2 * i)].values;
        for (size_t j = 0; j < a.size(); j++)
            a[j] = static_cast<float>((2 * uniform_at(spec.seed, target.ordinal, j) - 1) * limit);
    });
}

void TrainedAdapter::add_parameter(const std::string& name, math::Shape shape) {
    const auto size = static_cast<size_t>(math::element_count(shape));
    values_.emplace_back(size);
    const std::span<float> values = values_.back();
    values_.emplace_back(size);
    parameters_.push_back({.name = name, .shape = std::move(shape), .values = values, .gradient = values_.back()});
}

void TrainedAdapter::clear_gradients() {
    for (const Parameter& parameter : parameters_) std::ranges::fill(parameter.gradient, 0.0f);
}

Result<std::shared_ptr<const model::Adapter>> TrainedAdapter::publish(ThreadPool& pool) {
    std::vector<model::AdaptedMatrix> matrices;
    for (size_t i = 0; i < targets_.size(); i++) {
        matrices.push_back({.name = targets_[i].name,
                            .base = targets_[i].base,
                            .experts = targets_[i].experts,
                            .rank = spec_.rank,
                            .scale = spec_.alpha / static_cast<float>(spec_.rank),
                            .a = parameters_[2 * i].values,
                            .b = parameters_[2 * i + 1].values});
    }
    auto packed = model::Adapter::pack(matrices, pool);
    if (!packed) return packed.error();
    published_ = *packed;
    gradients_ = {};
    const auto train = [&](const math::Weight& factor, const Parameter& parameter, size_t expert) {
        const size_t size = static_cast<size_t>(factor.n) * static_cast<size_t>(factor.k);
        const size_t at = expert * size % parameter.gradient.size();  // 0 for every expert if they share it
        gradients_.train(factor.data, MatrixView<float>(&parameter.gradient[at], factor.n, factor.k));
    };
    for (size_t i = 0; i < targets_.size(); i++) {
        const auto factors = published_->of(targets_[i].base);
        for (size_t e = 0; e < factors.size(); e++) {
            train(factors[e].a, parameters_[2 * i], e);
            train(factors[e].b, parameters_[2 * i + 1], e);
        }
    }
    return published_;
}

}  // namespace hone::train
