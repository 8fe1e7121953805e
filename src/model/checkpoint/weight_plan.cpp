#include "model/checkpoint/weight_plan.h"

#include <algorithm>

#include "base/progress.h"
#include "base/topology.h"

namespace hone::model {

constexpr int64_t kMaxWeights = int64_t{1} << 22;  // the largest open models have a few hundred thousand
constexpr size_t kMaxBytes = size_t{1} << 48;      // of all weights together

size_t planned_bytes(const WeightSlot& slot, std::optional<math::WeightFormat> format) {
    if (format) return math::packed_bytes(*format, slot.n, slot.k);
    return (static_cast<size_t>(slot.n) * sizeof(float) + 63) / 64 * 64;
}

size_t alignment_of(size_t bytes) {
    if (bytes >= size_t{64} << 20) return size_t{2} << 20;
    return bytes >= size_t{16} << 10 ? 4096 : 64;
}

Status check_stored_count(const ModelSpec& spec, size_t stored) {
    constexpr int64_t kNamedAnyway = int64_t{1} << 14;
    const auto routed = static_cast<int64_t>(spec.routed_layers.size());
    const int64_t least = int64_t{3} * spec.layers + routed * (int64_t{3} * spec.experts);
    if (least <= std::max(kNamedAnyway, static_cast<int64_t>(stored))) return ok();
    return error(
        "config.json: num_hidden_layers {} and num_experts {} make at least {} tensors, {} are stored (a tensor that "
        "holds several experts cannot be read)",
        spec.layers, spec.experts, least, stored);
}

Result<std::vector<WeightSlot>> list_slots(Model& model) {
    const ModelSpec& spec = model.spec();
    if (spec.layers * (int64_t{3} * spec.experts + 32) > kMaxWeights) {
        return error("config.json: {} layers of {} experts are more than any model has", spec.layers, spec.experts);
    }
    std::vector<WeightSlot> slots;
    model.visit([&](const WeightSlot& slot) { slots.push_back(slot); });
    return slots;
}

// The index of the head that is tied to the embedding, if there is one.
static std::optional<size_t> tied_head(const std::vector<WeightSlot>& slots, const WeightSlot& embedding) {
    const auto head = std::find_if(slots.begin(), slots.end(), [&](const WeightSlot& slot) {
        return slot.role == WeightRole::head && slot.name == embedding.name;
    });
    if (head == slots.end()) return std::nullopt;
    return static_cast<size_t>(head - slots.begin());
}

Result<WeightPlan> plan_weights(Model& model, WeightChoice choice) {
    const auto slots = list_slots(model);
    if (!slots) return slots.error();
    WeightPlan plan;
    for (const WeightSlot& slot : *slots) {
        PlannedWeight weight{.slot = slot, .format = format_for(slot, choice), .bytes = 0, .offset = 0, .twin = {}};
        if (slot.role == WeightRole::embedding) {
            const auto head = tied_head(*slots, slot);
            if (head && format_for((*slots)[*head], choice) == math::WeightFormat::bf16) {
                weight.format = math::WeightFormat::bf16;
                weight.twin = head;
            }
        }
        weight.bytes = planned_bytes(slot, weight.format);
        if (!weight.twin) {
            const size_t alignment = alignment_of(weight.bytes);
            weight.offset = (plan.bytes + alignment - 1) / alignment * alignment;
            if (weight.bytes > kMaxBytes || weight.offset + weight.bytes > kMaxBytes) {
                return error("config.json: the weights up to {} take more than {}", slot.name, format_bytes(kMaxBytes));
            }
            plan.bytes = weight.offset + weight.bytes;
        }
        plan.weights.push_back(std::move(weight));
    }
    for (auto& weight : plan.weights) {
        if (weight.twin) weight.offset = plan.weights[*weight.twin].offset;
    }
    return plan;
}

std::vector<WeightGroup> cut_into_groups(const WeightPlan& plan, FunctionRef<size_t(size_t weight)> size_of,
                                         size_t limit) {
    std::vector<WeightGroup> groups;
    size_t size = limit;
    for (size_t i = 0; i < plan.weights.size(); i++) {
        const PlannedWeight& weight = plan.weights[i];
        if (weight.twin) continue;
        if (size >= limit) {
            groups.push_back({i, i, weight.offset, weight.offset});
            size = 0;
        }
        groups.back().last = i + 1;
        groups.back().end = weight.offset + weight.bytes;
        size += size_of(i);
    }
    return groups;
}

std::vector<WeightGroup> cut_into_groups(const WeightPlan& plan, size_t limit) {
    return cut_into_groups(
        plan, [&](size_t i) { return plan.weights[i].bytes; }, limit);
}

void attach(const WeightSlot& slot, std::optional<math::WeightFormat> format, const std::byte* data) {
    if (slot.vector) {
        *slot.vector = {reinterpret_cast<const float*>(data), static_cast<size_t>(slot.n)};
    } else {
        CHECK(format.has_value(), "{}", slot.name);
        *slot.matrix = {.format = *format, .n = slot.n, .k = slot.k, .data = data};
    }
}

Status check_memory(size_t bytes, std::string_view what) {
    const size_t available = available_memory_bytes();
    if (available == 0 || bytes <= available) return ok();
    return error("{} need {} of memory and {} are free; --weights int4 takes about a quarter of bf16", what,
                 format_bytes(static_cast<double>(bytes)), format_bytes(static_cast<double>(available)));
}

}  // namespace hone::model
