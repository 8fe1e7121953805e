#include "model/checkpoint/weight_choice.h"

#include <array>

namespace hone::model {

constexpr std::array<std::string_view, 4> kChoiceNames = {"auto", "bf16", "int4", "int4-experts"};
constexpr std::array<std::string_view, 7> kRoleNames = {"embedding", "head", "linear",     "expert",
                                                        "router",    "norm", "router_bias"};

Result<WeightChoice> weight_choice_named(std::string_view name) {
    for (size_t i = 0; i < kChoiceNames.size(); i++) {
        if (kChoiceNames[i] == name) return static_cast<WeightChoice>(i);
    }
    return error("'{}' is not a weight format; choose auto, bf16, int4 or int4-experts", name);
}

std::string_view name_of(WeightChoice choice) {
    return kChoiceNames[static_cast<size_t>(choice)];
}

std::optional<math::WeightFormat> format_for(const WeightSlot& slot, WeightChoice choice) {
    if (slot.vector) return std::nullopt;
    if (slot.role == WeightRole::embedding) return math::WeightFormat::bf16_rows;
    if (slot.role == WeightRole::router) return math::WeightFormat::f32;
    const bool quantise =
        slot.may_quantise() &&
        (choice == WeightChoice::int4 || (choice == WeightChoice::int4_experts && slot.role == WeightRole::expert));
    return quantise ? math::WeightFormat::int4_g32 : math::WeightFormat::bf16;
}

std::string_view name_of(WeightRole role) {
    return kRoleNames[static_cast<size_t>(role)];
}

std::optional<WeightRole> weight_role_named(std::string_view name) {
    for (size_t i = 0; i < kRoleNames.size(); i++) {
        if (kRoleNames[i] == name) return static_cast<WeightRole>(i);
    }
    return std::nullopt;
}

std::string_view name_of(std::optional<math::WeightFormat> format) {
    return format ? math::name_of(*format) : "f32_vector";
}

}  // namespace hone::model
