// Reading adapter folders: which tensors are factors of what, and their values.
#include <cmath>
#include <map>

#include "model/adapter_config.h"
#include "model/adapter_file.h"
#include "model/checkpoint/safetensors.h"
#include "model/checkpoint/weight_filler.h"
#include "model/checkpoint/weight_plan.h"
#include "model/printable.h"

namespace hone::model {

namespace {

constexpr std::string_view kASuffix = ".lora_A.weight", kBSuffix = ".lora_B.weight";
constexpr int64_t kMaxExtent = int64_t{1} << 30;

// One factor in a file.
struct Stored {
    std::string_view tensor;  // its name
    const math::TensorView* view = nullptr;
};

// What a file has of a target: one A and one B, or those of its experts by number.
struct StoredTarget {
    std::map<int32_t, Stored> a, b;
    bool is_by_expert = false;
    std::string module;  // its own, or that of an expert; without the prefix
};

using StoredTargets = std::map<std::string, StoredTarget>;

// Why a tensor is no factor.
Error no_factor(std::string_view tensor) {
    const std::string name = in_quotes(tensor);
    if (tensor.find("lora_magnitude_vector") != std::string_view::npos)
        return error("tensor {}: DoRA scales the weights themselves, which is not computed", name);
    if (tensor.find("lora_embedding_") != std::string_view::npos)
        return error("tensor {}: adapters of the embedding are not computed", name);
    if (tensor.ends_with(".bias")) return error("tensor {}: biases are not computed", name);
    return error("tensor {} is no factor of an adapter; factors are called {}MODULE{} and {}", name, kAdapterPrefix,
                 kASuffix, kBSuffix.substr(1));
}

Result<StoredTargets> sort_tensors(const TensorMap& tensors) {
    StoredTargets targets;
    for (const auto& [tensor, view] : tensors) {
        const bool is_a = tensor.ends_with(kASuffix);
        if (!tensor.starts_with(kAdapterPrefix) || (!is_a && !tensor.ends_with(kBSuffix))) return no_factor(tensor);
        const std::string module = tensor.substr(0, tensor.size() - kASuffix.size());
        const ModuleTarget found = target_of_module(module);
        const auto [known, is_new] = targets.try_emplace(found.name);
        StoredTarget& target = known->second;
        if (is_new) target.module = module.substr(kAdapterPrefix.size());
        if (is_new) target.is_by_expert = found.expert.has_value();
        auto& factors = is_a ? target.a : target.b;
        const bool is_first = factors.try_emplace(found.expert.value_or(0), Stored{tensor, &view}).second;
        if (!is_first || target.is_by_expert != found.expert.has_value())
            return error("tensor {} is a second factor of {}", in_quotes(tensor), in_quotes(found.name));
    }
    if (targets.empty()) return error("has no factors");
    return targets;
}

// Experts 0, 1, ... without a gap, each with both factors.
Status check_complete(const std::string& name, const StoredTarget& target) {
    const auto missing = [](const Stored& partner, std::string_view suffix) {
        const auto module = partner.tensor.substr(0, partner.tensor.size() - kASuffix.size());
        return error("tensor {} is missing, the partner of {}", in_quotes(fmt::format("{}{}", module, suffix)),
                     in_quotes(partner.tensor));
    };
    for (const auto& [expert, a] : target.a)
        if (!target.b.contains(expert)) return missing(a, kBSuffix);
    for (const auto& [expert, b] : target.b)
        if (!target.a.contains(expert)) return missing(b, kASuffix);
    int32_t next = 0;
    for (const auto& [expert, a] : target.a) {
        if (expert != next++)
            return error(
                "{} has factors of expert {} and none of expert {}; all experts of a layer, or none, can have "
                "them",
                in_quotes(name), expert, next - 1);
    }
    // Alone it would be taken for that of all.
    if (target.is_by_expert && target.a.size() == 1)
        return error("{} has factors of expert 0 alone; all experts of a layer, or none, can have them",
                     in_quotes(name));
    return ok();
}

Status check_tensor(const Stored& factor, size_t dimensions) {
    const auto& [dtype, shape, bytes] = *factor.view;
    const bool readable = dtype == math::DType::bf16 || dtype == math::DType::f16 || dtype == math::DType::f32;
    if (!readable)
        return error("tensor {} has type {}; F32, BF16 and F16 can be read", in_quotes(factor.tensor),
                     math::name_of(dtype));
    bool fits = shape.size() == dimensions;
    for (const int64_t extent : shape) fits = fits && extent >= 1 && extent <= kMaxExtent;
    if (fits) return ok();
    return error("tensor {} has shape [{}]; {} extents from 1 on are expected", in_quotes(factor.tensor),
                 fmt::join(shape, ", "), dimensions);
}

// Copies factors of one shape, those of experts in order, behind each other.
Result<std::vector<float>> read_values(const std::map<int32_t, Stored>& factors) {
    const math::TensorView& first = *factors.begin()->second.view;
    const auto size = static_cast<size_t>(math::element_count(first.shape));
    std::vector<float> values(size * factors.size());
    for (size_t at = 0; const auto& [expert, factor] : factors) {
        if (factor.view->shape != first.shape)
            return error("tensor {} has shape [{}], that of expert 0 has [{}]", in_quotes(factor.tensor),
                         fmt::join(factor.view->shape, ", "), fmt::join(first.shape, ", "));
        widen(*factor.view, 0, static_cast<int64_t>(size), &values[at]);
        for (size_t i = 0; i < size; i++) {
            if (!std::isfinite(values[at + i]))
                return error("tensor {}: its value {} is {}", in_quotes(factor.tensor), i, values[at + i]);
        }
        at += size;
    }
    return values;
}

// Shapes of A and B against each other and against the config.
Status check_ranks(const AdapterFactors& factors, const StoredTarget& target, const AdapterConfig& config) {
    const int64_t rank_of_a = factors.a_shape.rbegin()[1], rank_of_b = factors.b_shape.back();
    const std::string_view a = target.a.begin()->second.tensor, b = target.b.begin()->second.tensor;
    if (rank_of_a != rank_of_b)
        return error("tensor {} has rank {}, its partner {}", in_quotes(b), rank_of_b, rank_of_a);
    const int32_t expected = config.rank_of(target.module);
    if (rank_of_a != expected)
        return error("tensor {} has rank {}, adapter_config.json makes it {}", in_quotes(a), rank_of_a, expected);
    if (factors.a_shape.size() == 2) return ok();
    const int64_t of_a = factors.a_shape[0], of_b = factors.b_shape[0];
    if (of_a != of_b && of_a != 1 && of_b != 1)
        return error("tensor {} is of {} experts, its partner of {}", in_quotes(b), of_b, of_a);
    return ok();
}

Result<AdapterFactors> read_target(const std::string& name, const StoredTarget& target, const AdapterConfig& config,
                                   std::vector<std::vector<float>>& values) {
    if (const Status complete = check_complete(name, target); !complete) return complete.error();
    const size_t dimensions = is_of_experts(name) && !target.is_by_expert ? 3 : 2;
    AdapterFactors factors{.target = name};
    const auto read = [&](const std::map<int32_t, Stored>& stored, math::Shape& shape,
                          std::span<const float>& out) -> Status {
        for (const auto& [expert, factor] : stored)
            if (const Status fine = check_tensor(factor, dimensions); !fine) return fine;
        auto read = read_values(stored);
        if (!read) return read.error();
        shape = stored.begin()->second.view->shape;
        if (target.is_by_expert) shape.insert(shape.begin(), std::ssize(stored));
        values.push_back(std::move(*read));
        out = values.back();
        return ok();
    };
    if (const Status done = read(target.a, factors.a_shape, factors.a); !done) return done.error();
    if (const Status done = read(target.b, factors.b_shape, factors.b); !done) return done.error();
    if (const Status fine = check_ranks(factors, target, config); !fine) return fine.error();
    factors.rank = static_cast<int32_t>(factors.b_shape.back());
    factors.alpha = config.alpha_of(target.module, factors.rank);
    for (const auto& [expert, a] : target.a) {
        const std::string_view module = a.tensor.substr(kAdapterPrefix.size());
        const auto plain = module.substr(0, module.size() - kASuffix.size());
        if (config.alpha_of(plain, factors.rank) != factors.alpha)
            return error("tensor {}: alpha_pattern sets the experts of a layer apart, which have one scale",
                         in_quotes(a.tensor));
    }
    return factors;
}

}  // namespace

Result<AdapterContents> read_adapter(const std::filesystem::path& folder) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored)) return error("{}: is no adapter folder", folder.string());
    const auto config = AdapterConfig::read(folder / "adapter_config.json");
    if (!config) return config.error();
    const auto path = folder / "adapter_model.safetensors";
    const auto file = SafetensorsFile::open(path);
    if (!file) return file.error();
    const auto targets = sort_tensors(file->tensors());
    if (!targets) return targets.error().within(path.string());
    size_t elements = 0;
    for (const auto& [name, view] : file->tensors()) elements += view.bytes.size() / math::size_of(view.dtype);
    if (const Status fits = check_memory(elements * sizeof(float), path.string()); !fits) return fits.error();

    AdapterContents contents;
    contents.base_model = config->base_model();
    for (const auto& [name, target] : *targets) {
        auto factors = read_target(name, target, *config, contents.values);
        if (!factors) return factors.error().within(path.string());
        contents.factors.push_back(std::move(*factors));
    }
    return contents;
}

// One target's factors as a matrix of the model.
static Result<AdaptedMatrix> fit(const AdapterFactors& factors, const AdapterTarget& target) {
    const auto fits = [&](const math::Shape& shape, int64_t rows, int64_t columns) {
        math::Shape expected = {rows, columns};
        if (target.is_expert)
            expected.insert(expected.begin(), shape.size() == 3 && shape[0] == 1 ? 1 : target.experts);
        return shape == expected;
    };
    const auto wrong = [&](const char* factor, const math::Shape& shape, int64_t rows, int64_t columns) {
        const std::string experts = target.is_expert ? fmt::format("1 or {}, ", target.experts) : "";
        return error("{}.lora_{} has shape [{}], the model makes it [{}{}, {}]; is it the adapter of another model?",
                     printable(factors.target), factor, fmt::join(shape, ", "), experts, rows, columns);
    };
    if (!fits(factors.a_shape, factors.rank, target.k)) return wrong("A", factors.a_shape, factors.rank, target.k);
    if (!fits(factors.b_shape, target.n, factors.rank)) return wrong("B", factors.b_shape, target.n, factors.rank);
    return AdaptedMatrix{.name = target.name,
                         .base = target.base,
                         .experts = target.experts,
                         .rank = factors.rank,
                         .scale = factors.scale(),
                         .a = factors.a,
                         .b = factors.b};
}

Result<std::vector<AdaptedMatrix>> fit_adapter(const AdapterContents& contents,
                                               std::span<const AdapterTarget> targets) {
    std::map<std::string_view, const AdapterFactors*> by_name;
    for (const AdapterFactors& factors : contents.factors) by_name[factors.target] = &factors;
    std::vector<AdaptedMatrix> matrices;
    for (const AdapterTarget& target : targets) {
        const auto found = by_name.find(target.name);
        if (found == by_name.end()) continue;
        auto matrix = fit(*found->second, target);
        if (!matrix) return matrix.error();
        matrices.push_back(std::move(*matrix));
        by_name.erase(found);
    }
    if (by_name.empty()) return matrices;
    return error("{} changes what the model does not have, or what is never adapted (routers, norms, embeddings)",
                 in_quotes(by_name.begin()->first));
}

Result<std::shared_ptr<const Adapter>> load_adapter(const std::filesystem::path& folder,
                                                    std::span<const AdapterTarget> targets, ThreadPool& pool) {
    const auto contents = read_adapter(folder);
    if (!contents) return contents.error();
    const auto matrices = fit_adapter(*contents, targets);
    if (!matrices) return matrices.error().within(folder.string());
    auto adapter = Adapter::pack(*matrices, pool);
    if (!adapter) return adapter.error().within(folder.string());
    return adapter;
}

}  // namespace hone::model
