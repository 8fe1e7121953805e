// Several recipes run one after the other, such as tokenizer, pretraining, chat: each as it would be alone, with its
// own output and its own state, so what is finished is known by the stages themselves. Plain values. All recipes are
// read, and what they read is looked for, before the first begins. Errors name file, line and key.
#pragma once

#include <variant>

#include "train/tokenizer_recipe.h"

namespace hone::train {

struct Stage {
    std::filesystem::path path;  // of its recipe
    std::variant<Recipe, TokenizerRecipe> recipe;
    // What it reads that an earlier stage is still to write: "runs/pretrain/final of stage 1".
    std::vector<std::string> awaited;

    const std::filesystem::path& output() const;
    std::string_view kind() const;
};

// A stage reads what an earlier one writes by its path; with `anew` that is still to be written though an earlier run has
// left something there, so that nothing is judged by it. Errors are also what is not there and no earlier stage writes;
// two stages with one output; a stage of stages.
Result<std::vector<Stage>> read_stages(const std::filesystem::path& path, bool anew = false);

// What it has left in its output folder. Behind the later stages: with their inputs gone they would be refused.
Status remove_results(const Stage& stage);

}  // namespace hone::train
