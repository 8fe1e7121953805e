// hone serve --train: a training job in the server's process, on the engine's threads, that publishes each version of its
// adapter to the requests.
#pragma once

#include <memory>
#include <string>

#include "cli/model_options.h"
#include "serve/adapters.h"
#include "train/background_job.h"

namespace hone::cli {

// `flag`: RECIPE.toml, or NAME=RECIPE.toml; otherwise requests call the adapter by the name of the recipe's output folder.
// The engine runs, with `turns`. Errors name the flag or the recipe's key: also a recipe for another model, or for other
// formats and arithmetic than the server's, whose results would not be those of the recipe alone.
Result<std::unique_ptr<train::BackgroundJob>> open_training(const std::string& flag, const ModelOptions& options,
                                                            OpenModel& open, Turns& turns, serve::Adapters& adapters);

}  // namespace hone::cli
