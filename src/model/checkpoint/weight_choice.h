// What --weights asks for, and what that makes of one weight. Free functions, any thread.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "model/model.h"

namespace hone::model {

enum class WeightChoice {
    as_stored,     // a pack's formats; a checkpoint's bf16, f16 and f32 become bf16
    bf16,          // the same of a checkpoint; of a pack, nothing else
    int4,          // every linear layer, expert and the head to INT4
    int4_experts,  // experts only
};

// "auto", "bf16", "int4", "int4-experts"; the error lists them.
Result<WeightChoice> weight_choice_named(std::string_view name);
// The flag's value: "auto", "bf16", "int4", "int4-experts".
std::string_view name_of(WeightChoice choice);

// The format in memory of a checkpoint's unquantised weight; nothing for a vector, which stays fp32.
std::optional<math::WeightFormat> format_for(const WeightSlot& slot, WeightChoice choice);

// "embedding", "head", "linear", "expert", "router", "norm".
std::string_view name_of(WeightRole role);
std::optional<WeightRole> weight_role_named(std::string_view name);

// "bf16", "int4_g32", ...; "f32_vector" where there is no format.
std::string_view name_of(std::optional<math::WeightFormat> format);

}  // namespace hone::model
