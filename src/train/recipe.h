// A recipe: everything that one training job is, read from a TOML file (docs/training.md lists the keys). A plain value.
// Errors name file, line and key, and what is allowed; unknown keys are errors. Relative paths are relative to the file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "math/quant/weight.h"
#include "model/checkpoint/weight_choice.h"
#include "train/adapter.h"
#include "train/data/packing.h"
#include "train/optimisers/optimiser.h"
#include "train/schedule.h"

namespace hone::train {

enum class JobKind : uint8_t {
    pretrain,  // all tokens of texts
    sft,       // the tokens of answers
    distill,   // a teacher's distributions over the tokens of answers
    dpo,       // pairs of answers
};

struct TrainOptions {
    bool is_full = false;  // all weights; otherwise an adapter
    // What the model's weights are packed as: of an adapter's base as `weights` says, of full training by `qat`.
    model::WeightChoice weights = model::WeightChoice::as_stored;
    math::NumericClass int4_class = math::NumericClass::i8g32;
    std::optional<int64_t> steps;  // otherwise epochs
    int64_t epochs = 1;
    int64_t tokens = 4096;  // of a pass, at most: bounds memory
    // A step has so many documents, windows of text or pairs, in as many passes as they take; 0: it has `accumulate` passes.
    int64_t examples = 0;
    int64_t accumulate = 1;
};

struct LoraOptions {
    AdapterSpec spec;
    std::filesystem::path init;  // folder of an adapter to begin with; empty: A random, B zero
};

struct DataOptions {
    std::vector<std::filesystem::path> files;
    Format format = Format::any;
    bool append_eos = true, train_on_prompts = false;
    int64_t max_tokens = 0;  // of a document; 0: as many as a pass and the model take
    TooLong too_long = TooLong::truncate;
    bool shuffle = true;
};

struct EvaluationOptions {
    std::vector<std::filesystem::path> files;
    double fraction = 0;   // of the data, kept out of training
    int64_t records = 0;   // the same as a number
    int64_t every = 100;   // steps
    int64_t patience = 0;  // evaluations without a better loss after which the job ends; 0: never

    bool wanted() const { return !files.empty() || fraction > 0 || records > 0; }
};

struct CheckpointOptions {
    int64_t every_steps = 100;  // 0: never by steps
    double every_minutes = 10;  // 0: never by time
    int64_t keep = 2;
};

struct DistillOptions {
    std::filesystem::path teacher;
    float alpha = 0;    // of losses/distillation.h: 0 forward, 1 reverse
    int64_t top_k = 0;  // tokens of the teacher; 0: the whole vocabulary
};

// A key with the value that holds, given or not, as text.
struct RecipeValue {
    std::string key, value;
    int line = 0;             // of the key, or of its table, in the recipe
    bool is_default = false;  // the recipe does not have the key
};

// What every recipe is beside the values of its keys.
struct RecipeText {
    std::string name;                 // of the file, in errors
    std::string text;                 // of the file
    std::vector<RecipeValue> values;  // in the order in which they are documented

    // The error of a key whose mistake shows only beside the model or the data: "FILE:LINE: KEY what".
    Error mistake(std::string_view key, std::string_view what) const;
};

struct Recipe : RecipeText {
    JobKind kind = JobKind::sft;
    std::filesystem::path model;         // empty where `architecture` is set
    std::filesystem::path architecture;  // config.json of a model that begins with random weights
    std::filesystem::path output;
    uint64_t seed = 0;
    TrainOptions train;
    LoraOptions lora;
    OptimiserOptions optimiser;
    Schedule schedule;  // total_steps is known when the data are
    float aux_coefficient = 0;
    float bias_rate = 0;  // of train/balance.h
    DataOptions data;
    EvaluationOptions evaluation;
    CheckpointOptions checkpoint;
    DistillOptions distill;
    float dpo_beta = 0.1f;
};

// Who reads a recipe: read_recipe, tokenizer_job.h or stages.h.
enum class RecipeKind : uint8_t { job, tokenizer, stages };

// Errors: a file that cannot be read, or is no TOML.
Result<RecipeKind> kind_of_recipe(const std::filesystem::path& path);
Result<std::string> read_recipe_text(const std::filesystem::path& path);

Result<Recipe> read_recipe(const std::filesystem::path& path);
// `folder` is what relative paths are relative to; `name` stands for the file in errors.
Result<Recipe> parse_recipe(std::string_view text, const std::string& name, const std::filesystem::path& folder);

// Why a job that began with `begun` cannot go on with `recipe`: names the first key that makes another job of it. Keys
// that only say how long, how often saved and evaluated, and where files lie may change, and a key may be new (the Hone that
// began the job did not know it) that has its default: that is what was done without it.
Status check_same_job(const RecipeText& recipe, std::span<const RecipeValue> begun);

std::string_view name_of(JobKind kind);

}  // namespace hone::train
