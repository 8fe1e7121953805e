// Adapters as folders of adapter_model.safetensors and adapter_config.json: those of Tinker (the experts of a layer in
// one tensor) and of Hugging Face PEFT (every expert a module of its own). What is read is a value that knows no model
// until it is fitted to one; each layout can be written from it. Free functions, any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/adapter.h"
#include "model/adapter_targets.h"
#include "model/checkpoint/small_files.h"

namespace hone::model {

enum class AdapterLayout { tinker, peft };
// "tinker", "peft".
std::optional<AdapterLayout> adapter_layout_named(std::string_view name);

struct AdapterContents;
// Tinker's, unless ranks or alphas differ, which only PEFT's holds.
AdapterLayout adapter_layout_for(const AdapterContents& contents);

constexpr int32_t kMaxAdapterRank = 1024;

// Of one target: A [rank, k] and B [n, rank], those of experts [1 or their number, ...], where 1 is shared by all.
struct AdapterFactors {
    std::string target;  // AdapterTarget::name
    int32_t rank = 0;
    double alpha = 0;  // products are scaled by alpha / rank
    math::Shape a_shape, b_shape;
    std::span<const float> a, b;  // row-major

    float scale() const { return static_cast<float>(alpha / rank); }
};

struct AdapterContents {
    std::string base_model{};  // what it was trained from, as its config says; may be empty
    std::vector<AdapterFactors> factors{};
    std::vector<std::vector<float>> values{};  // what the factors of a file point at

    AdapterContents() = default;
    AdapterContents(AdapterContents&&) = default;
    AdapterContents& operator=(AdapterContents&&) = default;
};

// Either layout, in fp32, fp16 or bf16. PEFT's rank_pattern, alpha_pattern (of plain names) and use_rslora are followed;
// what would make the results wrong is refused: DoRA, biases, whole modules, base weights that were changed, tensors that
// are no factors, values that are not finite. Errors name the file and the tensor or field.
Result<AdapterContents> read_adapter(const std::filesystem::path& folder);

// The folder appears whole, or not at all. Values are fp32. What all experts share becomes a copy
// for each in PEFT's layout; adapters whose targets differ in rank or alpha have none in Tinker's (an error).
Status write_adapter(const std::filesystem::path& folder, AdapterLayout layout, const AdapterContents& contents,
                     const FolderOptions& options = {});

// The factors as matrices of a model, in its order. They are views of `contents`. Errors: a target that the model lacks,
// other shapes, other numbers of experts.
Result<std::vector<AdaptedMatrix>> fit_adapter(const AdapterContents& contents, std::span<const AdapterTarget> targets);

// Reads, fits and packs. `targets` are those of a model with weights. Errors name the folder.
Result<std::shared_ptr<const Adapter>> load_adapter(const std::filesystem::path& folder,
                                                    std::span<const AdapterTarget> targets, ThreadPool& pool);

}  // namespace hone::model
