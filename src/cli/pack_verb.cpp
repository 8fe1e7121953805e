// hone pack: a checkpoint folder becomes one kernel-ready file.
#include "base/clock.h"
#include "base/progress.h"
#include "cli/model_options.h"
#include "model/checkpoint/pack.h"

namespace hone::cli {

static Status pack(const ModelOptions& options, const std::string& out) {
    auto weights = model::weight_choice_named(options.weights);
    if (!weights) return weights.error().within("--weights");
    ThreadPool pool(thread_count(options));
    const double started = monotonic_seconds();
    auto packed = model::pack_model(options.path, out, {.weights = *weights}, pool);
    if (!packed) return packed.error();
    fmt::print("{}: {} tensors, {}, in {}\n", out, packed->tensors, format_bytes(static_cast<double>(packed->bytes)),
               format_duration(monotonic_seconds() - started));
    return ok();
}

void add_pack(CLI::App& app, int& status) {
    struct Flags {
        ModelOptions model;
        std::string out;
    };
    auto flags = std::make_shared<Flags>();
    CLI::App* verb = app.add_subcommand("pack", "Convert a checkpoint once into a file that starts at once");
    verb->add_option("DIR", flags->model.path, "Checkpoint folder in Hugging Face layout")->required();
    verb->add_option("OUT", flags->out, "File to write; serve, chat, score and bench take it as MODEL")->required();
    add_weights_option(*verb, flags->model);
    add_threads_option(*verb, flags->model);
    verb->callback([flags, &status] { status = report(pack(flags->model, flags->out)); });
}

}  // namespace hone::cli
