#include "model/checkpoint/name_map.h"

#include <set>

#include "model/printable.h"

namespace hone::model {

namespace {

// A slot named `ours` + X may be stored as `stored` + X; tried in this order.
struct PrefixRule {
    std::string_view ours, stored;
};

constexpr PrefixRule kPrefixRules[] = {
    {"", ""},                             // as transformers saves a causal language model
    {"model.", ""},                       // the bare decoder: layers.0..., embed_tokens.weight
    {"model.", "model.language_model."},  // inside a multimodal model of transformers 5
    {"", "language_model."},              // a causal model inside a vendor's multimodal one: language_model.model...
    {"model.", "language_model."},        // the bare decoder inside one
    {"", "model."},                       // model.lm_head.weight
};

// Buffers that old exports carry beside the weights; the architecture recomputes them.
constexpr std::string_view kBufferSuffixes[] = {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias",
                                                ".position_ids"};

bool is_buffer(std::string_view name) {
    for (const auto suffix : kBufferSuffixes) {
        if (name.ends_with(suffix)) return true;
    }
    return false;
}

const std::pair<const std::string_view, const math::TensorView*>* find_stored(const CheckpointFolder& folder,
                                                                              std::string_view name) {
    for (const PrefixRule& rule : kPrefixRules) {
        if (!name.starts_with(rule.ours)) continue;
        const std::string stored = fmt::format("{}{}", rule.stored, name.substr(rule.ours.size()));
        const auto found = folder.tensors().find(stored);
        if (found != folder.tensors().end()) return &*found;
    }
    return nullptr;
}

Status check_tensor(const WeightSlot& slot, const math::TensorView& tensor) {
    math::Shape expected = {slot.n};
    if (slot.matrix) expected.push_back(slot.k);
    if (tensor.shape != expected) {
        return error("has shape [{}], config.json makes it [{}]", fmt::join(tensor.shape, ", "),
                     fmt::join(expected, ", "));
    }
    const bool readable =
        tensor.dtype == math::DType::bf16 || tensor.dtype == math::DType::f16 || tensor.dtype == math::DType::f32;
    if (!readable) return error("has type {}; BF16, F16 and F32 can be read", math::name_of(tensor.dtype));
    return ok();
}

Error missing(const CheckpointFolder& folder, const WeightSlot& slot) {
    const char* hint =
        slot.role == WeightRole::head ? " (a head that is tied needs tie_word_embeddings true in config.json)" : "";
    return error("{}: tensor '{}' is missing{}", folder.path().string(), slot.name, hint);
}

// The beginning, up to a dot, that the tensors of a slot's part of the model share: its layer, or its module elsewhere.
size_t part_length(std::string_view name) {
    constexpr std::string_view kLayers = "model.layers.";
    if (name.starts_with(kLayers)) return name.find('.', kLayers.size()) + 1;
    return name.rfind('.') + 1;
}

// The parts of the model, as the checkpoint names them. No part's name begins with another's.
using Parts = std::set<std::string, std::less<>>;

void add_part(Parts& parts, const WeightSlot& slot, std::string_view stored) {
    const size_t behind_part = slot.name.size() - part_length(slot.name);
    parts.emplace(stored.substr(0, stored.size() - behind_part));
}

bool is_in_part(const Parts& parts, std::string_view name) {
    const auto after = parts.upper_bound(name);
    return after != parts.begin() && name.starts_with(*std::prev(after));
}

}  // namespace

Result<MatchedTensors> match_tensors(const CheckpointFolder& folder, const std::vector<WeightSlot>& slots) {
    MatchedTensors matched;
    std::set<std::string_view> used;
    Parts parts;
    for (const WeightSlot& slot : slots) {
        const auto* stored = find_stored(folder, slot.name);
        if (!stored) return missing(folder, slot);
        if (const Status fits = check_tensor(slot, *stored->second); !fits) {
            return fits.error().within(fmt::format("{}: tensor {}", folder.path().string(), in_quotes(stored->first)));
        }
        matched.tensors.push_back(stored->second);
        used.insert(stored->first);
        add_part(parts, slot, stored->first);
    }
    const bool tied = !slots.empty() && slots.back().role == WeightRole::head && slots.back().name != kHeadName;
    if (tied) parts.emplace(kHeadName.substr(0, part_length(kHeadName)));
    for (const auto& [name, tensor] : folder.tensors()) {
        if (used.contains(name) || is_buffer(name) || (tied && name.ends_with(kHeadName))) continue;
        if (is_in_part(parts, name)) {
            return error(
                "{}: tensor {} belongs to a part of the model that has no such weight in this architecture; without it "
                "the results would be wrong",
                folder.path().string(), in_quotes(name));
        }
        matched.unused.push_back(name);
    }
    return matched;
}

}  // namespace hone::model
