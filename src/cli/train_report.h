// OUTPUT/report.html of a training job: curves of what metrics.jsonl has, and the recipe. Errors name the file.
#pragma once

#include "train/recipe.h"

namespace hone::cli {

Status write_train_report(const train::Recipe& recipe, const std::string& model);

}  // namespace hone::cli
