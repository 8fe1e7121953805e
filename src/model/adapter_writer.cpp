// Writing adapter folders.
#include <cmath>
#include <set>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "model/adapter_file.h"
#include "model/checkpoint/safetensors_writer.h"

namespace hone::model {

namespace json = boost::json;

namespace {

// A tensor of the file and the values that it gets.
struct Part {
    TensorDeclaration declaration;
    std::span<const float> values;
};

json::value number(double value) {
    if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<int64_t>(value);
    return value;
}

// The modules of a target, each with the numbers of its expert (or none).
std::vector<std::optional<int32_t>> experts_of(const AdapterFactors& factors) {
    if (factors.a_shape.size() == 2) return {std::nullopt};
    std::vector<std::optional<int32_t>> experts;
    const int64_t count = std::max(factors.a_shape[0], factors.b_shape[0]);
    for (int32_t e = 0; e < count; e++) experts.emplace_back(e);
    return experts;
}

void add_part(std::vector<Part>& parts, std::string_view module, const char* factor, math::Shape shape,
              std::span<const float> values) {
    parts.push_back({{fmt::format("{}.lora_{}.weight", module, factor), math::DType::f32, std::move(shape)}, values});
}

std::vector<Part> tinker_parts(const AdapterContents& contents) {
    std::vector<Part> parts;
    for (const AdapterFactors& factors : contents.factors) {
        add_part(parts, factors.target, "A", factors.a_shape, factors.a);
        add_part(parts, factors.target, "B", factors.b_shape, factors.b);
    }
    return parts;
}

std::vector<Part> peft_parts(const AdapterContents& contents) {
    std::vector<Part> parts;
    // The matrix of an expert, or the one of all.
    const auto matrix = [&](const math::Shape& shape, std::span<const float> values, std::optional<int32_t> expert) {
        const math::Shape one(shape.end() - 2, shape.end());
        const auto size = static_cast<size_t>(math::element_count(one));
        return std::pair(one, values.subspan(static_cast<size_t>(expert.value_or(0)) * size % values.size(), size));
    };
    for (const AdapterFactors& factors : contents.factors) {
        for (const auto expert : experts_of(factors)) {
            const std::string module = module_of_target(factors.target, expert);
            const auto [a_shape, a] = matrix(factors.a_shape, factors.a, expert);
            const auto [b_shape, b] = matrix(factors.b_shape, factors.b, expert);
            add_part(parts, module, "A", a_shape, a);
            add_part(parts, module, "B", b_shape, b);
        }
    }
    return parts;
}

json::object peft_config(const AdapterContents& contents) {
    const AdapterFactors& first = contents.factors.front();
    std::set<std::string> modules;
    json::object ranks, alphas;
    for (const AdapterFactors& factors : contents.factors) {
        for (const auto expert : experts_of(factors)) {
            const std::string module = module_of_target(factors.target, expert).substr(kAdapterPrefix.size());
            modules.insert(module.substr(module.rfind('.') + 1));
            if (factors.rank != first.rank) ranks[module] = factors.rank;
            if (factors.alpha != first.alpha) alphas[module] = number(factors.alpha);
        }
    }
    return {{"peft_type", "LORA"},
            {"task_type", "CAUSAL_LM"},
            {"base_model_name_or_path", contents.base_model.empty() ? json::value() : json::value(contents.base_model)},
            {"r", first.rank},
            {"lora_alpha", number(first.alpha)},
            {"lora_dropout", 0.0},
            {"target_modules", json::array(modules.begin(), modules.end())},
            {"rank_pattern", std::move(ranks)},
            {"alpha_pattern", std::move(alphas)},
            {"bias", "none"},
            {"modules_to_save", nullptr},
            {"fan_in_fan_out", false},
            {"use_dora", false},
            {"use_rslora", false},
            {"init_lora_weights", true},
            {"inference_mode", true}};
}

json::object tinker_config(const AdapterContents& contents) {
    json::object config{{"lora_alpha", number(contents.factors.front().alpha)}, {"r", contents.factors.front().rank}};
    if (!contents.base_model.empty()) config["base_model_name_or_path"] = contents.base_model;
    return config;
}

bool are_scaled_alike(const AdapterFactors& a, const AdapterFactors& b) {
    return a.rank == b.rank && a.alpha == b.alpha;
}

Status check_layout(AdapterLayout layout, const AdapterContents& contents) {
    const AdapterFactors& first = contents.factors.front();
    for (const AdapterFactors& factors : contents.factors) {
        if (layout == AdapterLayout::tinker && !are_scaled_alike(factors, first))
            return error("{} has rank {} and alpha {}, {} has {} and {}: Tinker's layout has one of each; write PEFT's",
                         factors.target, factors.rank, factors.alpha, first.target, first.rank, first.alpha);
        if (layout == AdapterLayout::peft && factors.a_shape.size() == 3 && factors.a_shape[0] == 1 &&
            factors.b_shape[0] == 1)
            return error("{}: both factors are shared by all experts, and their number is not known here",
                         factors.target);
    }
    return ok();
}

}  // namespace

std::optional<AdapterLayout> adapter_layout_named(std::string_view name) {
    if (name == "tinker") return AdapterLayout::tinker;
    if (name == "peft") return AdapterLayout::peft;
    return std::nullopt;
}

AdapterLayout adapter_layout_for(const AdapterContents& contents) {
    CHECK(!contents.factors.empty(), "an adapter without factors");
    const auto is_like_the_first = [&](const AdapterFactors& factors) {
        return are_scaled_alike(factors, contents.factors.front());
    };
    return std::ranges::all_of(contents.factors, is_like_the_first) ? AdapterLayout::tinker : AdapterLayout::peft;
}

Status write_adapter(const std::filesystem::path& folder, AdapterLayout layout, const AdapterContents& contents,
                     const FolderOptions& options) {
    CHECK(!contents.factors.empty(), "an adapter without factors");
    if (const Status fine = check_layout(layout, contents); !fine) return fine.error().within(folder.string());
    auto made = AtomicFolder::create(folder, options.existing);
    if (!made) return made.error();

    const bool is_peft = layout == AdapterLayout::peft;
    const auto parts = is_peft ? peft_parts(contents) : tinker_parts(contents);
    std::vector<TensorDeclaration> declarations;
    for (const Part& part : parts) declarations.push_back(part.declaration);
    auto tensors =
        SafetensorsWriter::create(made->temporary() / "adapter_model.safetensors", declarations, {{"format", "pt"}});
    if (!tensors) return tensors.error();
    for (size_t i = 0; i < parts.size(); i++)
        if (const Status written = tensors->write(i, 0, std::as_bytes(parts[i].values)); !written) return written;
    if (const Status finished = tensors->finish(); !finished) return finished;

    std::vector<SmallFile> files = options.more;
    const std::string config = json::serialize(is_peft ? peft_config(contents) : tinker_config(contents)) + "\n";
    files.push_back({"adapter_config.json", config});
    if (const Status written = write_small_files(made->temporary(), files); !written) return written;
    return made->commit();
}

}  // namespace hone::model
