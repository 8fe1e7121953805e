// Where a job stands, beside its tensors: what state.json of a checkpoint holds. A plain value.
#pragma once

#include <optional>
#include <string>

#include "train/data/packing.h"
#include "train/recipe.h"

namespace hone::train {

struct JobState {
    // What makes it this job: a checkpoint goes on only with the same.
    std::vector<RecipeValue> recipe;
    std::string recipe_text;
    std::string model, text, teacher, data;  // fingerprints; `text` is of what the model's tokens are made by
    std::string initial_adapter;             // of lora.init; empty without one

    int64_t step = 0, optimiser_steps = 0;
    int64_t skipped = 0, skipped_in_a_row = 0;  // steps without a finite gradient
    int64_t tokens = 0;                         // that passed the model
    double seconds = 0;                         // of all steps
    DataPosition position;
    std::optional<double> best_loss;  // of evaluations
    int64_t evaluations_since_best = 0;
    int64_t evaluated_step = 0;  // the last
    // Counted for so many epochs; 0 where the recipe counts steps, -1 before the data have been surveyed.
    int64_t epochs = -1, steps_of_epochs = 0;
    uint64_t metrics_bytes = 0;  // of metrics.jsonl
};

std::string to_json(const JobState& state);
// Errors name the field.
Result<JobState> job_state_from_json(std::string_view text);

}  // namespace hone::train
