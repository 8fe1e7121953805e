// hone pack: a checkpoint folder, or random weights of a known shape, become one kernel-ready file.
#include "base/clock.h"
#include "base/progress.h"
#include "cli/model_options.h"
#include "model/checkpoint/pack.h"
#include "model/checkpoint/shapes.h"

namespace hone::cli {
namespace {

struct PackFlags {
    ModelOptions model;
    std::string out;
    bool random = false;
};

// Without a folder the only path is the file to write, though it comes where the folder would be.
Status sort_paths(PackFlags& flags) {
    const bool has_shape = !flags.model.shape.empty();
    if (flags.random && !has_shape) return error("--random: give --shape NAME too, which tells what to fill");
    if (has_shape && !flags.random)
        return error("--shape {}: a shape has no weights; --random fills them", flags.model.shape);
    if (has_shape && !flags.out.empty())
        return error("{}: give either DIR or --shape NAME --random, not both", flags.model.path);
    if (has_shape) std::swap(flags.model.path, flags.out);
    if (flags.out.empty()) return error("OUT is missing: the file to write");
    return ok();
}

Result<model::PackSummary> pack(const PackFlags& flags, model::WeightChoice weights, ThreadPool& pool) {
    if (!flags.random) return model::pack_model(flags.model.path, flags.out, {.weights = weights}, pool);
    auto config = model::shape_config(flags.model.shape);
    if (!config) return config.error().within("--shape");
    return model::pack_random_model(*config, flags.model.shape, flags.out, {.weights = weights}, pool);
}

Status run_pack(PackFlags& flags) {
    if (const Status sorted = sort_paths(flags); !sorted) return sorted;
    auto weights = model::weight_choice_named(flags.model.weights);
    if (!weights) return weights.error().within("--weights");
    ThreadPool pool(thread_count(flags.model));
    const double started = monotonic_seconds();
    auto packed = pack(flags, *weights, pool);
    if (!packed) return packed.error();
    fmt::print("{}: {} tensors, {}, in {}\n", flags.out, packed->tensors,
               format_bytes(static_cast<double>(packed->bytes)), format_duration(monotonic_seconds() - started));
    return ok();
}

}  // namespace

void add_pack(CLI::App& app, int& status) {
    auto flags = std::make_shared<PackFlags>();
    CLI::App* verb = app.add_subcommand("pack", "Convert a checkpoint once into a file that starts at once");
    verb->add_option("DIR", flags->model.path, "Checkpoint folder in Hugging Face layout; none with --shape");
    verb->add_option("OUT", flags->out, "File to write; serve, chat, score and bench take it as MODEL");
    verb->add_flag("--random", flags->random,
                   "Random weights of --shape NAME, for measuring: hone pack --shape NAME --random OUT");
    add_shape_option(*verb, flags->model);
    add_weights_option(*verb, flags->model);
    add_threads_option(*verb, flags->model);
    verb->callback([flags, &status] { status = report(run_pack(*flags)); });
}

}  // namespace hone::cli
