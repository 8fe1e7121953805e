// What an adapter may change in a model, and how adapter files call it. Tinker's names are ours: the experts of a layer
// are one target with their number in front of its factors ("w1", "w3" and "w2" are their gates, ups and downs), the head
// is "unembed_tokens". Hugging Face PEFT names every module as transformers does. Free functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"

namespace hone::model {

// What all names of adapter files begin with.
constexpr std::string_view kAdapterPrefix = "base_model.model.";

enum class AdapterPart : uint8_t { attention, mlp, unembed };

// A matrix [n, k], or the matrices of all experts of a layer (their gates, ups or downs).
struct AdapterTarget {
    std::string name;  // "base_model.model.model.layers.0.self_attn.q_proj", "...layers.0.mlp.experts.w1"
    AdapterPart part = AdapterPart::attention;
    int32_t n = 0, k = 0;
    math::Weight base;  // of experts, that of expert 0; without data while the model has no weights
    int32_t experts = 1;
    bool is_expert = false;
};

// All of a model, in its order; routers, norms and the embedding are never adapted. (`visit` of a model may write, here it
// does not.)
std::vector<AdapterTarget> adapter_targets(Model& model);

// Whether the target's factor touches the residual stream, so that the experts of a layer may share it: A of gates and ups,
// B of downs.
bool may_share_a(std::string_view target);
bool may_share_b(std::string_view target);

// What PEFT calls a module, as a target and which of its experts.
struct ModuleTarget {
    std::string name;
    std::optional<int32_t> expert;  // none: a matrix of its own, or all experts
};
// Modules begin with kAdapterPrefix; a target's own name is itself.
ModuleTarget target_of_module(std::string_view module);
// That of a slot; without a name for what is never adapted.
ModuleTarget target_of_slot(const WeightSlot& slot);
// The module of a target, or of one of its experts.
std::string module_of_target(std::string_view target, std::optional<int32_t> expert);
// Whether the target is all experts of a layer.
bool is_of_experts(std::string_view target);

}  // namespace hone::model
