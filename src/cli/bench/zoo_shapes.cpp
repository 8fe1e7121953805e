#include "cli/bench/zoo_shapes.h"

#include <algorithm>
#include <optional>
#include <set>

#include "model/checkpoint/shapes.h"
#include "model/checkpoint/weight_choice.h"
#include "model/zoo/zoo.h"

namespace hone::cli {
namespace {

using model::WeightRole;

struct ShapeSets {
    std::set<MatrixShape> matrices;
    std::set<ExpertShape> experts;
    std::set<HeadShape> heads;
};

void add_weights(model::Model& model, model::WeightChoice choice, ShapeSets& sets) {
    const model::ModelSpec& spec = model.spec();
    bool has_experts = false;
    model.visit([&](const model::WeightSlot& slot) {
        const auto format = model::format_for(slot, choice);
        if (!format || !slot.matrix || slot.role == WeightRole::embedding) return;
        sets.matrices.insert({*format, slot.k, slot.n, slot.role == WeightRole::head});
        // The first matrix of the first expert is one that goes from the hidden size to the inner one.
        if (slot.role == WeightRole::expert && !has_experts) {
            has_experts = true;
            sets.experts.insert({*format, spec.experts, spec.experts_per_token, slot.k, slot.n});
        }
    });
    sets.heads.insert({spec.heads, spec.kv_heads, spec.head_dim});
}

}  // namespace

Result<ZooShapes> zoo_shapes(std::span<const std::string> names) {
    ShapeSets sets;
    for (const std::string& name : names) {
        auto config = model::shape_config(name);
        if (!config) return config.error();
        auto model = model::make_model(*config);
        if (!model) return model.error().within(name);
        for (const auto choice : {model::WeightChoice::bf16, model::WeightChoice::int4})
            add_weights(**model, choice, sets);
    }
    return ZooShapes{{sets.matrices.begin(), sets.matrices.end()},
                     {sets.experts.begin(), sets.experts.end()},
                     {sets.heads.begin(), sets.heads.end()}};
}

std::vector<std::string> measured_shape_names() {
    std::vector<std::string> names = model::shape_names();
    std::erase_if(names, [](const std::string& name) { return name.starts_with("tiny-") || name.ends_with("-100m"); });
    return names;
}

bool is_largest(const MatrixShape& shape, std::span<const MatrixShape> all) {
    const auto size = [](const MatrixShape& matrix) { return std::pair(int64_t{matrix.k} * matrix.n, matrix.n); };
    return !shape.is_head && std::ranges::none_of(all, [&](const MatrixShape& other) {
        return other.format == shape.format && !other.is_head && size(other) > size(shape);
    });
}

}  // namespace hone::cli
