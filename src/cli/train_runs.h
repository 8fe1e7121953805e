// What `hone train` runs, by the kind of the recipe: a job, the training of a tokenizer, or stages of both. Each shows
// its progress; stopped by a signal it saves, and started again it goes on. One thread. Errors say what to do.
#pragma once

#include <filesystem>

#include "cli/model_options.h"
#include "train/stages.h"

namespace hone::cli {

struct TrainFlags {
    ModelOptions machine;  // threads and kernels
    std::string recipe;
    std::string activation_memory = kActivationMemory;
    bool dry_run = false, restart = false, json = false, quiet = false;
    int64_t stop_at = 0;  // step of a job; 0: its last
};

// What all of them need of the machine.
struct TrainMachine {
    ThreadPool pool;
    const math::KernelTable& kernels;
    size_t activation_bytes = 0;
};

// `flags.recipe` is the command's, told to whoever is to go on; the recipe may be that of one of its stages.
Status run_job(train::Recipe recipe, const TrainFlags& flags, TrainMachine& machine);
Status run_tokenizer(train::TokenizerRecipe recipe, const TrainFlags& flags, TrainMachine& machine);
Status run_stages(const TrainFlags& flags, TrainMachine& machine);

// A signal has asked the job that ran last to stop.
bool is_asked_to_stop();

}  // namespace hone::cli
