// The flags that every verb with a model shares, and opening the model they describe.
#pragma once

#include <memory>
#include <string>

#include "base/thread_pool.h"
#include "cli/verbs.h"
#include "math/kernels/kernel_table.h"
#include "model/adapter.h"
#include "model/checkpoint/load.h"

namespace hone::cli {

struct ModelOptions {
    std::string path;
    std::string shape;                   // --shape, instead of a path
    std::string weights = "auto";        // --weights
    std::string numeric_class = "auto";  // --class, --activations
    std::string isa = "auto";            // --isa
    int threads = 0;                     // --threads; 0: every usable CPU
    bool verify = false;                 // a pack's checksums before it is used
    std::string adapter;                 // --adapter: a folder; empty: the model's own weights
};

// MODEL, a folder or a file; the word sprout is the model that comes with the program.
CLI::Option* add_model_option(CLI::App& verb, ModelOptions& options,
                              const std::string& description = "Checkpoint folder or pack file, or sprout");
// Without MODEL (and --shape) it is sprout too. Error: its file is not there.
Status choose_default_model(ModelOptions& options);
// MODEL, or --shape NAME instead of it. Both are a mistake of the command line; open_model refuses neither.
void add_model_or_shape(CLI::App& verb, ModelOptions& options);
// The flags that tell how to load and compute it.
void add_model_options(CLI::App& verb, ModelOptions& options);
// Single flags, for verbs that need no more.
void add_shape_option(CLI::App& verb, ModelOptions& options);
void add_weights_option(CLI::App& verb, ModelOptions& options);
void add_threads_option(CLI::App& verb, ModelOptions& options);
void add_isa_option(CLI::App& verb, ModelOptions& options);
void add_adapter_option(CLI::App& verb, ModelOptions& options);
// --activation-memory of verbs that train, and what it says in bytes. Error: no size.
void add_activation_memory_option(CLI::App& verb, std::string& size);
Result<size_t> activation_bytes_of(const std::string& size);
inline constexpr const char* kActivationMemory = "1G";

// A loaded model and what it takes to run it.
struct OpenModel {
    std::unique_ptr<ThreadPool> pool;
    const math::KernelTable* kernels = nullptr;
    math::NumericClass int4_class = math::NumericClass::i8g32;
    model::LoadedModel loaded;
    std::shared_ptr<const model::Adapter> adapter;  // that was asked for, or null
};

// Errors name the flag that asked for what is not there.
Result<OpenModel> open_model(const ModelOptions& options, bool quiet);

// The class that the model's log-probabilities are in: that of its INT4 weights if it has any.
std::string numeric_class_name(const OpenModel& open);

int thread_count(const ModelOptions& options);
Result<const math::KernelTable*> kernels_for(const ModelOptions& options);
math::NumericClass int4_class_for(const ModelOptions& options);

}  // namespace hone::cli
