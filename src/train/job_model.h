// Opening the models that a recipe names: the one that is trained, and a teacher or reference beside it. One thread,
// which owns the pool; errors name the path.
#pragma once

#include "model/checkpoint/load.h"
#include "train/recipe.h"

namespace hone::train {

// As the recipe asks: a folder or pack in the formats of train.weights, or random weights of [architecture]. Of full
// training the weights are what the masters begin with.
Result<model::LoadedModel> open_trained_model(const Recipe& recipe, ThreadPool& pool, bool quiet);

// A model that only gives log-probabilities, in the formats it is stored in.
Result<model::LoadedModel> open_frozen_model(const std::filesystem::path& path, ThreadPool& pool, bool quiet);

// Refuses a teacher whose tokens mean other things than the student's: other sizes of the vocabulary, or other ids for
// some texts.
Status check_same_tokens(const model::LoadedModel& student, const model::LoadedModel& teacher);

}  // namespace hone::train
