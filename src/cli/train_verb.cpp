// hone train: the job of a recipe, with progress; stopped by a signal it saves, and started again it goes on.
#include <csignal>

#include <boost/json/serialize.hpp>

#include "base/progress.h"
#include "cli/model_options.h"
#include "cli/train_progress.h"
#include "cli/train_report.h"
#include "train/job.h"

namespace hone::cli {
namespace {

struct TrainFlags {
    ModelOptions machine;  // threads and kernels
    std::string recipe;
    std::string activation_memory = kActivationMemory;
    bool dry_run = false, restart = false, json = false, quiet = false;
};

// Set by SIGINT and SIGTERM: the step is finished first. A second signal ends the process at once, which loses no more
// than the steps since the last checkpoint.
volatile std::sig_atomic_t asked_to_stop = 0;

void ask_to_stop(int signal) {
    asked_to_stop = signal;
    std::signal(signal, SIG_DFL);
}

// "1.2 billion", "35.5 million", "1234".
std::string format_count(int64_t count) {
    const auto value = static_cast<double>(count);
    if (value >= 1e9) return fmt::format("{:.3g} billion", value / 1e9);
    if (value >= 1e6) return fmt::format("{:.3g} million", value / 1e6);
    return std::to_string(count);
}

boost::json::object to_json(const train::DataSurvey& survey) {
    return {{"records", survey.records},        {"tokens", survey.tokens},
            {"targets", survey.targets},        {"truncated", survey.counts.truncated},
            {"skipped", survey.counts.skipped}, {"without_targets", survey.counts.without_targets}};
}

void print_survey(const char* what, const train::DataSurvey& survey) {
    const std::string losses = survey.losses();
    fmt::print("  {}: {} tokens, {} of them trained on{}{}\n", what, survey.tokens, survey.targets,
               losses.empty() ? "" : "; ", losses);
}

// Where the job begins or goes on.
int64_t first_step(const train::Job& job, const TrainFlags& flags) {
    return flags.dry_run ? job.plan().saved_step : job.state().step;
}

void print_plan(const train::Job& job, const TrainFlags& flags) {
    const train::JobPlan& plan = job.plan();
    const train::Recipe& recipe = job.recipe();
    if (flags.json) {
        boost::json::object line{{"kind", name_of(recipe.kind)},
                                 {"steps", plan.steps},
                                 {"step", first_step(job, flags)},
                                 {"parameters", plan.parameters},
                                 {"trained_parameters", plan.trained_parameters},
                                 {"memory_bytes", plan.memory_bytes},
                                 {"records", job.data().training_records()},
                                 {"evaluation_records", job.data().evaluation_records()}};
        if (plan.survey) line["training_data"] = to_json(plan.survey->training);
        if (plan.survey && plan.survey->evaluation) line["evaluation_data"] = to_json(*plan.survey->evaluation);
        fmt::print("{}\n", boost::json::serialize(line));
        return;
    }
    fmt::print("{}: {} of {}, which has {} parameters; {} are trained\n", flags.recipe, name_of(recipe.kind),
               job.model_name(), format_count(plan.parameters), format_count(plan.trained_parameters));
    const std::string of_step = recipe.train.examples > 0
                                    ? fmt::format("{} examples", recipe.train.examples)
                                    : fmt::format("{} x {} tokens", recipe.train.accumulate, recipe.train.tokens);
    fmt::print("data: {} records, {} of them for evaluation; {} steps of at most {}\n",
               job.data().training_records() + job.data().evaluation_records(), job.data().evaluation_records(),
               plan.steps, of_step);
    if (plan.survey) print_survey("training", plan.survey->training);
    if (plan.survey && plan.survey->evaluation) print_survey("evaluation", *plan.survey->evaluation);
    const int64_t step = first_step(job, flags);
    fmt::print("memory: about {}; output: {}{}\n", format_bytes(static_cast<double>(plan.memory_bytes)),
               recipe.output.string(), step > 0 ? fmt::format(", which is at step {}", step) : "");
}

// The page next to the metrics. What it cannot write stops no training.
void write_report(const train::Job& job) {
    const Status written = write_train_report(job.recipe(), job.model_name());
    if (!written) fmt::print(stderr, "hone: {}\n", written.error().message);
}

Status stopped(train::Job& job, const TrainFlags& flags) {
    if (const Status saved = job.save(); !saved) return saved;
    write_report(job);
    return error("stopped at step {} of {}, which is saved; `hone train {}` goes on from there", job.state().step,
                 job.plan().steps, flags.recipe);
}

Status take_steps(train::Job& job, const TrainFlags& flags, const math::KernelTable& kernels, ThreadPool& pool) {
    TrainProgress progress(job, {.json = flags.json, .quiet = flags.quiet}, kernels, pool);
    std::signal(SIGINT, ask_to_stop);
    std::signal(SIGTERM, ask_to_stop);
    while (!job.is_finished()) {
        const auto event = job.advance();
        if (!event) {
            progress.end();
            return event.error();
        }
        progress.show(*event);
        if (event->is_saved) write_report(job);
        if (asked_to_stop != 0 && !job.is_finished()) {
            progress.end();
            return stopped(job, flags);
        }
    }
    progress.end();
    return ok();
}

Status run_train(const TrainFlags& flags) {
    auto recipe = train::read_recipe(flags.recipe);
    if (!recipe) return recipe.error();
    auto kernels = kernels_for(flags.machine);
    if (!kernels) return kernels.error();
    const auto activation_bytes = activation_bytes_of(flags.activation_memory);
    if (!activation_bytes) return activation_bytes.error();
    ThreadPool pool(thread_count(flags.machine));
    const bool quiet = flags.quiet || flags.json;
    auto opened = train::Job::open(
        std::move(*recipe),
        {.restart = flags.restart, .only_plan = flags.dry_run, .activation_bytes = *activation_bytes, .quiet = quiet},
        pool, **kernels);
    if (!opened) return opened.error();
    train::Job& job = **opened;
    if (flags.dry_run || !quiet) print_plan(job, flags);
    if (flags.dry_run) return job.plan().refusal.empty() ? ok() : error("{}", job.plan().refusal);
    const std::string result = (job.recipe().output / "final").string();
    if (job.has_result()) {
        if (!quiet) fmt::print("finished at step {}: {}\n", job.state().step, result);
        return ok();
    }
    if (const Status taken = take_steps(job, flags, **kernels, pool); !taken) return taken;
    if (const Status finished = job.finish(quiet); !finished) return finished;
    write_report(job);
    if (!quiet) {
        fmt::print("{} at step {}: {}\n", job.is_stopped_early() ? "evaluations got no better, ended" : "done",
                   job.state().step, result);
    }
    return ok();
}

constexpr const char* kExample = R"(Example: a file my.toml

  kind = "sft"
  model = "models/OLMoE-1B-7B"
  output = "runs/first"
  [train]
  epochs = 2
  tokens = 4096                # of a pass
  examples = 32                # of a step
  [lora]
  rank = 16
  [optimiser]
  learning_rate = 2e-4
  [data]
  files = ["chats.jsonl"]      # {"messages": [...]}, {"prompt": ..., "completion": ...} or {"text": ...} a line
  [evaluation]
  fraction = 0.02

  hone train my.toml --dry-run     checks it, and tells steps and memory
  hone train my.toml               trains; after an interruption, even kill -9, the same command goes on,
                                   with the same bits in the end

runs/first/final is then the adapter, runs/first/report.html shows the curves. docs/training.md has all keys.)";

}  // namespace

void add_train(CLI::App& app, int& status) {
    auto flags = std::make_shared<TrainFlags>();
    CLI::App* verb = app.add_subcommand("train", "Train an adapter or all weights of a model, as a recipe says");
    verb->add_option("RECIPE", flags->recipe, "Recipe, a TOML file")->required();
    verb->add_flag("--dry-run", flags->dry_run, "Only check recipe and data, and tell parameters, memory and steps");
    verb->add_flag("--restart", flags->restart,
                   "Begin anew: removes the checkpoints and the result in the recipe's output folder");
    verb->add_flag("--json", flags->json, "One JSON object a step on stdout, and no progress");
    verb->add_flag("--quiet", flags->quiet, "No progress");
    add_activation_memory_option(*verb, flags->activation_memory);
    add_threads_option(*verb, flags->machine);
    add_isa_option(*verb, flags->machine);
    verb->footer(kExample);
    verb->callback([flags, &status] { status = report(run_train(*flags)); });
}

}  // namespace hone::cli
