#include "model/adapter_targets.h"

#include <algorithm>
#include <charconv>

namespace hone::model {

namespace {

constexpr std::string_view kExperts = ".experts.";
constexpr std::string_view kHeadModule = "base_model.model.lm_head";
constexpr std::string_view kHeadTarget = "base_model.model.model.unembed_tokens";

// What a projection of experts is called by most checkpoints, and by us and those that call the layer block_sparse_moe.
struct ExpertMatrix {
    std::string_view module, target;
};
constexpr ExpertMatrix kExpertMatrices[] = {{"gate_proj", "w1"}, {"up_proj", "w3"}, {"down_proj", "w2"}};

// "17" and nothing else.
std::optional<int32_t> plain_number(std::string_view text) {
    int32_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_plain = failure == std::errc() && end == text.data() + text.size() && text[0] != '-' &&
                          (text.size() == 1 || text[0] != '0');
    return is_plain ? std::optional(number) : std::nullopt;
}

// The name behind the last ".experts."; empty: there is none.
std::string_view behind_experts(std::string_view name) {
    const size_t at = name.rfind(kExperts);
    return at == std::string_view::npos ? std::string_view() : name.substr(at + kExperts.size());
}

bool is_sparse_block(std::string_view name) {
    return name.find(".block_sparse_moe.") != std::string_view::npos;
}

std::string_view without_weight(std::string_view slot) {
    constexpr std::string_view kWeight = ".weight";
    CHECK(slot.ends_with(kWeight), "{}", slot);
    return slot.substr(0, slot.size() - kWeight.size());
}

AdapterPart part_of(const WeightSlot& slot) {
    if (slot.role == WeightRole::head) return AdapterPart::unembed;
    const bool is_mlp = slot.name.find(".mlp.") != std::string::npos || is_sparse_block(slot.name);
    return is_mlp ? AdapterPart::mlp : AdapterPart::attention;
}

}  // namespace

ModuleTarget target_of_module(std::string_view module) {
    if (module == kHeadModule) return {std::string(kHeadTarget), std::nullopt};
    const std::string_view expert = behind_experts(module);
    const size_t dot = expert.find('.');
    if (dot == std::string_view::npos) return {std::string(module), std::nullopt};
    const auto number = plain_number(expert.substr(0, dot));
    for (const auto& matrix : kExpertMatrices) {
        const std::string_view kind = expert.substr(dot + 1);
        if (!number || (kind != matrix.module && kind != matrix.target)) continue;
        const std::string_view layer = module.substr(0, module.size() - expert.size());
        return {fmt::format("{}{}", layer, matrix.target), number};
    }
    return {std::string(module), std::nullopt};
}

std::string module_of_target(std::string_view target, std::optional<int32_t> expert) {
    if (target == kHeadTarget) return std::string(kHeadModule);
    const std::string_view kind = behind_experts(target);
    for (const auto& matrix : kExpertMatrices) {
        if (!expert || kind != matrix.target) continue;
        const std::string_view layer = target.substr(0, target.size() - kind.size());
        return fmt::format("{}{}.{}", layer, *expert, is_sparse_block(layer) ? matrix.target : matrix.module);
    }
    return std::string(target);
}

bool is_of_experts(std::string_view target) {
    return may_share_a(target) || may_share_b(target);
}

bool may_share_a(std::string_view target) {
    const std::string_view kind = behind_experts(target);
    return kind == "w1" || kind == "w3";
}

bool may_share_b(std::string_view target) {
    return behind_experts(target) == "w2";
}

ModuleTarget target_of_slot(const WeightSlot& slot) {
    switch (slot.role) {
        case WeightRole::head:  // one that is tied has the embedding's name
            return {std::string(kHeadTarget), std::nullopt};
        case WeightRole::linear:
        case WeightRole::expert:
            return target_of_module(fmt::format("{}{}", kAdapterPrefix, without_weight(slot.name)));
        case WeightRole::embedding:
        case WeightRole::router:
        case WeightRole::router_bias:
        case WeightRole::norm:
            break;
    }
    return {};
}

std::vector<AdapterTarget> adapter_targets(Model& model) {
    std::vector<AdapterTarget> targets;
    model.visit([&](const WeightSlot& slot) {
        const ModuleTarget target = target_of_slot(slot);
        if (target.name.empty()) return;
        CHECK(target.expert.has_value() == (slot.role == WeightRole::expert), "{}", slot.name);
        // Those of the experts before are a few at the end.
        const auto same = [&](const AdapterTarget& known) { return known.name == target.name; };
        const auto known = std::find_if(targets.rbegin(), targets.rend(), same);
        if (target.expert && known != targets.rend()) {
            known->experts++;
            return;
        }
        targets.push_back({.name = target.name,
                           .part = part_of(slot),
                           .n = slot.n,
                           .k = slot.k,
                           .base = *slot.matrix,
                           .is_expert = target.expert.has_value()});
    });
    return targets;
}

}  // namespace hone::model
