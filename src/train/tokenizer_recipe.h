// The recipe of a tokenizer (docs/training.md lists the keys). A plain value. Errors name file, line and key.
#pragma once

#include "train/data/record_reader.h"
#include "train/recipe.h"

namespace hone::train {

struct TokenizerRecipe : RecipeText {
    std::filesystem::path output;
    int32_t vocabulary_size = 0;              // bytes, merges and all added tokens
    std::vector<std::string> special_tokens;  // added tokens that decoded text leaves out
    std::vector<std::string> added_tokens;    // those that it shows
    std::string eos_token;                    // empty: that of tokenizer_config.json, if any
    // How text is cut into words, which no token goes beyond: a regular expression as tokenizer.json has it, whose matches
    // and what lies between them are words.
    std::string pattern;
    uint64_t min_frequency = 2;
    std::vector<std::filesystem::path> config_files;
    std::vector<std::filesystem::path> files;
    Format format = Format::any;
};

Result<TokenizerRecipe> read_tokenizer_recipe(const std::filesystem::path& path);
// As parse_recipe.
Result<TokenizerRecipe> parse_tokenizer_recipe(std::string_view text, const std::string& name,
                                               const std::filesystem::path& folder);

}  // namespace hone::train
