#include "cli/default_model.h"

#include <vector>

#include "base/env.h"

namespace hone::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char *kVariable = "HONE_SPROUT", *kFile = "sprout.hone", *kSuites = "evals";

// Folders with the model, in the order in which they count. Nothing of the machine that built the program is in it: both
// places are told by where the program lies.
std::vector<fs::path> folders() {
    std::error_code failure;
    const fs::path program = fs::read_symlink("/proc/self/exe", failure).parent_path();
    if (failure) return {};
    std::vector<fs::path> folders{(program / "../share/hone").lexically_normal()};
    if (fs::exists(program / "CMakeCache.txt", failure))
        folders.push_back((program / "../../models/sprout").lexically_normal());
    return folders;
}

}  // namespace

Result<fs::path> find_default_model() {
    std::error_code failure;
    if (const auto named = env(kVariable)) {
        if (fs::exists(*named, failure)) return fs::path(*named);
        return error("{}: there is no such file (environment variable {})", *named, kVariable);
    }
    std::string places;
    for (const fs::path& folder : folders()) {
        if (fs::exists(folder / kFile, failure)) return folder / kFile;
        places += fmt::format("{}{}", places.empty() ? "" : ", nor in ", folder.string());
    }
    return error(
        "the built-in model is missing: there is no {} in {}; give MODEL (a checkpoint folder or a pack file), or its "
        "place in the environment variable {}",
        kFile, places.empty() ? "the program's surroundings" : places, kVariable);
}

std::optional<fs::path> find_default_suites() {
    std::vector<fs::path> candidates = folders();
    if (const auto named = env(kVariable)) candidates.insert(candidates.begin(), fs::path(*named).parent_path());
    std::error_code failure;
    for (const fs::path& folder : candidates)
        if (fs::is_directory(folder / kSuites, failure)) return folder / kSuites;
    return std::nullopt;
}

CLI::Validator default_model_by_name() {
    const auto replace = [](std::string& model) {
        if (model != kDefaultModel) return std::string();
        auto file = find_default_model();
        if (!file) return file.error().message;
        model = file->string();
        return std::string();
    };
    return CLI::Validator(replace, "", kDefaultModel);
}

}  // namespace hone::cli
