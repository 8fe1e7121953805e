#include "cli/model_options.h"

#include "base/cpu_features.h"
#include "base/env.h"
#include "base/topology.h"
#include "cli/default_model.h"
#include "cli/engine_flags.h"
#include "math/kernels/self_test.h"
#include "model/adapter_file.h"
#include "model/checkpoint/random_weights.h"
#include "model/checkpoint/shapes.h"

namespace hone::cli {

void add_threads_option(CLI::App& verb, ModelOptions& options) {
    verb.add_option("--threads", options.threads, "Threads that compute; 0 takes every CPU this process may use")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
}

void add_isa_option(CLI::App& verb, ModelOptions& options) {
    verb.add_option("--isa", options.isa,
                    "Kernels: auto, reference, avx2, avx512_fma or avx512; all give the same bits")
        ->envname("HONE_ISA")
        ->capture_default_str();
}

void add_adapter_option(CLI::App& verb, ModelOptions& options) {
    verb.add_option("--adapter", options.adapter,
                    "Folder of a low-rank adapter to put on the weights: adapter_model.safetensors and "
                    "adapter_config.json, in Tinker's or Hugging Face PEFT's layout");
}

void add_activation_memory_option(CLI::App& verb, std::string& size) {
    verb.add_option("--activation-memory", size,
                    "Memory for what a pass keeps for its way back, such as 512M: inputs of layers, then results of "
                    "attention, then those of matrix products; the rest is computed again. Changes no bit")
        ->capture_default_str();
}

Result<size_t> activation_bytes_of(const std::string& size) {
    const auto bytes = parse_bytes(size);
    if (!bytes) return bytes.error().within("--activation-memory");
    return *bytes;
}

void add_weights_option(CLI::App& verb, ModelOptions& options) {
    verb.add_option(
            "--weights", options.weights,
            "Format of the weights in memory: auto (a pack's own; a checkpoint's, f16 and f32 rounded to bf16), "
            "bf16 (the same, but refuses a pack of other formats), int4 (linear layers, experts and head, "
            "quantised while loading), int4-experts")
        ->capture_default_str();
}

void add_shape_option(CLI::App& verb, ModelOptions& options) {
    verb.add_option("--shape", options.shape,
                    fmt::format("A known shape with random weights: {}", fmt::join(model::shape_names(), ", ")));
}

CLI::Option* add_model_option(CLI::App& verb, ModelOptions& options, const std::string& description) {
    return verb.add_option("MODEL", options.path, description)->transform(default_model_by_name());
}

Status choose_default_model(ModelOptions& options) {
    if (!options.path.empty() || !options.shape.empty()) return ok();
    auto file = find_default_model();
    if (!file) return error("no MODEL is given, and {}", file.error().message);
    options.path = file->string();
    return ok();
}

void add_model_or_shape(CLI::App& verb, ModelOptions& options) {
    CLI::Option* path = add_model_option(
        verb, options,
        "Checkpoint folder in Hugging Face layout, a file made by hone pack, or sprout; none with --shape");
    add_shape_option(verb, options);
    verb.get_option("--shape")->excludes(path);
}

void add_model_options(CLI::App& verb, ModelOptions& options) {
    add_weights_option(verb, options);
    std::vector<std::string> classes{"auto"};
    for (const math::NumericClass numeric_class : math::kNumericClasses) classes.emplace_back(name_of(numeric_class));
    verb.add_option(
            "--class,--activations", options.numeric_class,
            "Arithmetic of INT4 weights, named by what it does to activations: i8g32 (int8 with a scale for every 32 "
            "values; what auto takes), i8p32 (the same with powers of two for scales: about 9 % more prefill on "
            "AVX-512, 1.5 times the rounding error) or f32seq (bf16: least error, half the speed of prefill). BF16 "
            "weights always take f32seq")
        ->check(CLI::IsMember(classes))
        ->capture_default_str();
    add_threads_option(verb, options);
    add_isa_option(verb, options);
}

int thread_count(const ModelOptions& options) {
    return options.threads > 0 ? options.threads : static_cast<int>(usable_cpus().size());
}

Result<const math::KernelTable*> kernels_for(const ModelOptions& options) {
    auto kernels = math::select_kernels(options.isa);
    if (!kernels) return kernels.error().within("--isa");
    flush_denormals();
    if (options.isa == "auto") return math::fastest_sound(math::runnable_kernel_tables());
    if (const Status tested = math::self_test(**kernels); !tested) return tested.error().within("--isa");
    return kernels;
}

math::NumericClass int4_class_for(const ModelOptions& options) {
    for (const math::NumericClass numeric_class : math::kNumericClasses) {
        if (name_of(numeric_class) == options.numeric_class) return numeric_class;
    }
    return math::NumericClass::i8g32;  // auto
}

Result<OpenModel> open_model(const ModelOptions& options, bool quiet) {
    if (options.shape.empty() == options.path.empty()) return error("give either MODEL or --shape NAME");
    auto kernels = kernels_for(options);
    if (!kernels) return kernels.error();
    auto weights = model::weight_choice_named(options.weights);
    if (!weights) return weights.error().within("--weights");

    OpenModel open;
    open.pool = std::make_unique<ThreadPool>(thread_count(options));
    open.kernels = *kernels;
    open.int4_class = int4_class_for(options);
    if (options.shape.empty()) {
        auto loaded = model::load_model(options.path, {.weights = *weights, .quiet = quiet, .verify = options.verify},
                                        *open.pool);
        if (!loaded) return loaded.error();
        open.loaded = std::move(*loaded);
        if (const auto sprout = find_default_model(); sprout && sprout->string() == options.path)
            open.loaded.name = kDefaultModel;  // wherever HONE_SPROUT has it
    } else {
        auto config = model::shape_config(options.shape);
        if (!config) return config.error().within("--shape");
        auto made = model::random_model(*config, options.shape, {.weights = *weights, .quiet = quiet}, *open.pool);
        if (!made) return made.error();
        open.loaded = std::move(*made);
    }
    if (!options.adapter.empty()) {
        auto adapter = model::load_adapter(options.adapter, model::adapter_targets(*open.loaded.model), *open.pool);
        if (!adapter) return adapter.error().within("--adapter");
        open.adapter = std::move(*adapter);
    }
    return open;
}

std::string numeric_class_name(const OpenModel& open) {
    bool has_int4 = false;
    open.loaded.model->visit([&](const model::WeightSlot& slot) {
        has_int4 = has_int4 || (slot.matrix && slot.matrix->format == math::WeightFormat::int4_g32);
    });
    return std::string(math::name_of(has_int4 ? open.int4_class : math::NumericClass::f32seq));
}

}  // namespace hone::cli
