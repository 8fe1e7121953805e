#include "train/tokenizer_recipe.h"

#include <set>

#include "text/tokenizer/pattern.h"
#include "text/tokenizer/vocabulary.h"
#include "train/noted_table.h"

namespace hone::train {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kBytes = 256;
// What the job writes itself beside the config files.
constexpr std::string_view kWritten[] = {"tokenizer.json", "training.json"};

void read_added_tokens(NotedTable& root, TokenizerRecipe& recipe) {
    std::set<std::string> seen;
    const auto read = [&](std::string_view key) {
        std::vector<std::string> tokens = root.texts(key, std::vector<std::string>{});
        for (const std::string& token : tokens) {
            if (token.empty()) root.mistake(key, "has an empty text");
            if (!seen.insert(token).second)
                root.mistake(key, fmt::format("has {:?}, which is there twice among the added tokens", token));
        }
        return tokens;
    };
    recipe.special_tokens = read("special_tokens");
    recipe.added_tokens = read("added_tokens");
    recipe.vocabulary_size = static_cast<int32_t>(root.integer("vocabulary_size", kBytes, text::kMaxVocabulary, {}));
    const auto least = kBytes + std::ssize(seen);
    if (recipe.vocabulary_size < least) {
        root.mistake("vocabulary_size", fmt::format("is {}; the {} bytes and {} added tokens alone are {}",
                                                    recipe.vocabulary_size, kBytes, seen.size(), least));
    }
    recipe.eos_token = root.text("eos_token", "");
    if (!recipe.eos_token.empty() &&
        std::ranges::find(recipe.special_tokens, recipe.eos_token) == recipe.special_tokens.end())
        root.mistake("eos_token", fmt::format("is {:?}, which is none of special_tokens", recipe.eos_token));
}

void read_config_files(NotedTable& root, TokenizerRecipe& recipe) {
    recipe.config_files = root.paths("config_files", std::vector<std::string>{});
    std::set<std::string> names(std::begin(kWritten), std::end(kWritten));
    for (const fs::path& file : recipe.config_files) {
        const std::string name = file.filename();
        if (std::ranges::find(kWritten, name) != std::end(kWritten))
            root.mistake("config_files", fmt::format("names {}, which the job writes itself", name));
        else if (!names.insert(name).second)
            root.mistake("config_files", fmt::format("names two files that are called {}", name));
    }
}

}  // namespace

Result<TokenizerRecipe> parse_tokenizer_recipe(std::string_view text, const std::string& name, const fs::path& folder) {
    auto table = TomlTable::parse(text, name);
    if (!table) return table.error();
    TokenizerRecipe recipe;
    recipe.name = name;
    recipe.text = std::string(text);
    NotedTable root(std::move(*table), folder, recipe.values);
    root.choice("kind", {"tokenizer"});
    recipe.output = root.path("output");
    read_added_tokens(root, recipe);
    const bool split_digits = root.flag("split_digits", true);
    recipe.pattern = root.text("pattern", std::string(split_digits ? text::patterns::kQwen2 : text::patterns::kLlama3));
    if (root.has("pattern") && root.has("split_digits"))
        root.mistake("split_digits", "is part of \"pattern\"; give one of them");
    recipe.min_frequency = static_cast<uint64_t>(root.integer("min_frequency", 1, int64_t{1} << 40, 2));
    read_config_files(root, recipe);
    NotedTable data = root.table("data");
    recipe.files = data.paths("files");
    if (recipe.files.empty()) data.mistake("files", "must name at least one file");
    recipe.format = static_cast<Format>(data.choice("format", {"any", "chat", "completion", "text"}, 0));
    if (const Status finished = root.finish(); !finished) return finished.error();
    return recipe;
}

Result<TokenizerRecipe> read_tokenizer_recipe(const fs::path& path) {
    auto text = read_recipe_text(path);
    if (!text) return text.error();
    return parse_tokenizer_recipe(*text, path.string(), path.parent_path());
}

}  // namespace hone::train
