#include "model/zoo/zoo.h"

#include <boost/json/value.hpp>

#include "model/printable.h"
#include "model/zoo/architectures.h"

namespace hone::model {

struct Architecture {
    std::string_view model_type;
    Result<std::unique_ptr<Model>> (*make)(const boost::json::object& config);
};

constexpr Architecture kArchitectures[] = {
    {"qwen3", make_qwen3},
    {"qwen3_moe", make_qwen3_moe},
    {"olmoe", make_olmoe},
    {"minimax_m2", make_minimax_m2},
};

std::vector<std::string> known_architectures() {
    std::vector<std::string> names;
    for (const auto& architecture : kArchitectures) names.emplace_back(architecture.model_type);
    return names;
}

Result<std::unique_ptr<Model>> make_model(const boost::json::object& config) {
    const auto* type = config.if_contains("model_type");
    if (!type || !type->is_string()) return error("config.json: field 'model_type' is missing or not a string");
    const std::string_view name = type->as_string();
    for (const auto& architecture : kArchitectures) {
        if (architecture.model_type == name) return architecture.make(config);
    }
    return error("config.json: model_type {} is not supported; known are {}", in_quotes(name),
                 fmt::join(known_architectures(), ", "));
}

}  // namespace hone::model
