#include "train/stages.h"

#include <algorithm>

#include "base/atomic_folder.h"
#include "train/job.h"
#include "train/noted_table.h"

namespace hone::train {

namespace fs = std::filesystem;

namespace {

// A path that a recipe names, to be read.
struct Input {
    std::string_view key;
    fs::path path;
};

std::vector<Input> inputs_of(const Recipe& recipe) {
    std::vector<Input> inputs = {{"model", recipe.model},
                                 {"architecture.config", recipe.architecture},
                                 {"lora.init", recipe.lora.init},
                                 {"distill.teacher", recipe.distill.teacher}};
    std::erase_if(inputs, [](const Input& input) { return input.path.empty(); });
    for (const fs::path& file : recipe.data.files) inputs.push_back({"data.files", file});
    for (const fs::path& file : recipe.evaluation.files) inputs.push_back({"evaluation.files", file});
    return inputs;
}

std::vector<Input> inputs_of(const TokenizerRecipe& recipe) {
    std::vector<Input> inputs;
    for (const fs::path& file : recipe.config_files) inputs.push_back({"config_files", file});
    for (const fs::path& file : recipe.files) inputs.push_back({"data.files", file});
    return inputs;
}

// However the two are written.
bool lies_in(const fs::path& path, const fs::path& folder) {
    const fs::path relative = fs::weakly_canonical(path).lexically_relative(fs::weakly_canonical(folder));
    return !relative.empty() && *relative.begin() != "..";
}

Result<Stage> read_stage(const fs::path& path) {
    const auto kind = kind_of_recipe(path);
    if (!kind) return kind.error();
    if (*kind == RecipeKind::stages) return error("{}: is a recipe of stages itself; name its stages", path.string());
    if (*kind == RecipeKind::tokenizer) {
        auto recipe = read_tokenizer_recipe(path);
        if (!recipe) return recipe.error();
        return Stage{.path = path, .recipe = std::move(*recipe), .awaited = {}};
    }
    auto recipe = read_recipe(path);
    if (!recipe) return recipe.error();
    return Stage{.path = path, .recipe = std::move(*recipe), .awaited = {}};
}

// Looks for what stage `own` reads.
Status find_inputs(std::vector<Stage>& stages, size_t own, bool anew) {
    Stage& stage = stages[own];
    const RecipeText& text = std::visit([](const auto& recipe) -> const RecipeText& { return recipe; }, stage.recipe);
    const auto inputs = std::visit([](const auto& recipe) { return inputs_of(recipe); }, stage.recipe);
    for (const auto& [key, path] : inputs) {
        const auto writer = std::ranges::find_if(
            stages, [&, path = path](const Stage& other) { return lies_in(path, other.output()); });
        const auto number = static_cast<size_t>(writer - stages.begin());
        const bool is_written = writer != stages.end();
        if (is_written && number >= own)
            return text.mistake(key, fmt::format("names {}, which stage {} writes{}", path.string(), number + 1,
                                                 number == own ? " itself" : " later"));
        if (fs::exists(path) && !(is_written && anew)) continue;
        if (!is_written)
            return text.mistake(
                key, fmt::format("names {}: it is not there, and no earlier stage writes it", path.string()));
        stage.awaited.push_back(fmt::format("{} of stage {}", path.string(), number + 1));
    }
    return ok();
}

}  // namespace

const fs::path& Stage::output() const {
    return std::visit([](const auto& recipe) -> const fs::path& { return recipe.output; }, recipe);
}

std::string_view Stage::kind() const {
    const Recipe* const job = std::get_if<Recipe>(&recipe);
    return job ? name_of(job->kind) : "tokenizer";
}

Result<std::vector<Stage>> read_stages(const fs::path& path, bool anew) {
    auto table = TomlTable::read(path);
    if (!table) return table.error();
    RecipeText text{.name = path.string(), .text = {}, .values = {}};
    const fs::path folder = path.parent_path();
    NotedTable root(std::move(*table), folder, text.values);
    root.choice("kind", {"stages"});
    const std::vector<fs::path> paths = root.paths("stages");
    if (paths.empty()) root.mistake("stages", "must name at least one recipe");
    if (const Status finished = root.finish(); !finished) return finished.error();
    std::vector<Stage> stages;
    for (const fs::path& stage_path : paths) {
        if (!fs::exists(stage_path))
            return text.mistake("stages", fmt::format("names {}: there is no such file", stage_path.string()));
        auto stage = read_stage(stage_path);
        if (!stage) return stage.error();
        for (const Stage& other : stages) {
            if (lies_in(stage->output(), other.output()) || lies_in(other.output(), stage->output()))
                return text.mistake("stages",
                                    fmt::format("names {} and {}, which write into one folder: {}", other.path.string(),
                                                stage_path.string(), stage->output().string()));
        }
        stages.push_back(std::move(*stage));
    }
    for (size_t own = 0; own < stages.size(); ++own)
        if (const Status found = find_inputs(stages, own, anew); !found) return found.error();
    return stages;
}

Status remove_results(const Stage& stage) {
    if (std::holds_alternative<Recipe>(stage.recipe)) return Job::remove(stage.output());
    const fs::path folder = stage.output() / "final";
    return fs::exists(folder) ? AtomicFolder::remove(folder) : ok();
}

}  // namespace hone::train
