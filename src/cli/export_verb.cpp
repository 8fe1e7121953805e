// hone export: a model with an adapter merged into it, or an adapter alone, in the layout that other programs read.
#include "base/clock.h"
#include "base/progress.h"
#include "cli/model_options.h"
#include "model/checkpoint/export_weights.h"

namespace hone::cli {
namespace {

struct ExportFlags {
    ModelOptions model;
    std::string out;
    std::string format;  // of an adapter; empty: a model is exported
};

Status export_adapter(const ExportFlags& flags) {
    if (!flags.model.path.empty())
        return error("{}: --format converts the adapter alone; leave MODEL out, or --format to merge it",
                     flags.model.path);
    const auto contents = model::read_adapter(flags.model.adapter);
    if (!contents) return contents.error().within("--adapter");
    const auto layout = model::adapter_layout_named(flags.format);
    CHECK(layout, "{}", flags.format);
    if (const Status written = model::write_adapter(flags.out, *layout, *contents); !written) return written;
    fmt::print("{}: {} adapted matrices in the layout of {}\n", flags.out, contents->factors.size(), flags.format);
    return ok();
}

Status export_merged(const ExportFlags& flags) {
    if (flags.model.path.empty())
        return error("MODEL is missing: what --adapter is merged into (--format peft or tinker converts it alone)");
    const auto adapter = model::read_adapter(flags.model.adapter);
    if (!adapter) return adapter.error().within("--adapter");
    ThreadPool pool(thread_count(flags.model));
    // What is written is kept: a damaged pack is found before, not behind.
    auto loaded = model::load_model(flags.model.path, {.verify = true}, pool);
    if (!loaded) return loaded.error();
    const double started = monotonic_seconds();
    const model::ExportOptions options{.adapter = &*adapter};
    const Status written = model::export_model(*loaded->model, loaded->config, loaded->files, flags.out, options, pool);
    if (!written) return written;
    fmt::print("{}: {} with the adapter merged into it, in {}\n", flags.out, loaded->name,
               format_duration(monotonic_seconds() - started));
    return ok();
}

}  // namespace

void add_export(CLI::App& app, int& status) {
    auto flags = std::make_shared<ExportFlags>();
    CLI::App* verb =
        app.add_subcommand("export", "Write a model with its adapter merged, or an adapter, for other programs");
    add_model_option(*verb, flags->model,
                     "Checkpoint folder or pack file to merge the adapter into; none with --format");
    add_adapter_option(*verb, flags->model);
    verb->get_option("--adapter")->required();
    verb->add_option("--to", flags->out, "Folder to write; it appears whole, and must not be there")->required();
    verb->add_option(
            "--format", flags->format,
            "Write the adapter alone in this layout: peft (Hugging Face, a module for every expert) or tinker (the "
            "experts of a layer in one tensor)")
        ->check(CLI::IsMember({"peft", "tinker"}));
    add_threads_option(*verb, flags->model);
    verb->footer(
        "hone export MODEL --adapter DIR --to OUT    weights W + alpha/r B A, computed in fp32 and rounded to bf16, as "
        "a\n"
        "                                            Hugging Face folder with the model's tokenizer and config; INT4\n"
        "                                            weights of a pack are dequantised first\n"
        "hone export --adapter DIR --format peft --to OUT    the same adapter, for PEFT and vLLM\n"
        "Served unmerged (hone serve --adapter), an adapter is not rounded: merged weights differ from it by their\n"
        "rounding to bf16.");
    verb->callback(
        [flags, &status] { status = report(flags->format.empty() ? export_merged(*flags) : export_adapter(*flags)); });
}

}  // namespace hone::cli
