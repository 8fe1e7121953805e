// A training job, with progress.
#include <csignal>

#include <boost/json/serialize.hpp>

#include "base/progress.h"
#include "cli/train_progress.h"
#include "cli/train_report.h"
#include "cli/train_runs.h"
#include "train/job.h"

namespace hone::cli {
namespace {

// Set by SIGINT and SIGTERM: the step is finished first. A second signal ends the process at once, which loses no more
// than the steps since the last checkpoint.
volatile std::sig_atomic_t asked_to_stop = 0;

void ask_to_stop(int signal) {
    asked_to_stop = signal;
    std::signal(signal, SIG_DFL);
}

// While a job trains. Before and behind, a signal loses nothing and ends the process.
struct StopSignals {
    StopSignals() {
        std::signal(SIGINT, ask_to_stop);
        std::signal(SIGTERM, ask_to_stop);
    }
    ~StopSignals() {
        std::signal(SIGINT, SIG_DFL);
        std::signal(SIGTERM, SIG_DFL);
    }
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;
};

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
    fmt::print("{}: {} of {}, which has {} parameters; {} are trained\n", recipe.name, name_of(recipe.kind),
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

// Saves, and says where the job stands; that is an error where a signal asked for it.
Status stop(train::Job& job, const TrainFlags& flags) {
    if (const Status saved = job.save(); !saved) return saved;
    write_report(job);
    const std::string line = fmt::format("stopped at step {} of {}, which is saved; `hone train {}` goes on from there",
                                         job.state().step, job.plan().steps, flags.recipe);
    if (asked_to_stop != 0) return error("{}", line);
    if (!flags.json && !flags.quiet) fmt::print("{}\n", line);
    return ok();
}

bool is_to_stop(const train::Job& job, const TrainFlags& flags) {
    return asked_to_stop != 0 || (flags.stop_at > 0 && job.state().step >= flags.stop_at);
}

Status take_steps(train::Job& job, const TrainFlags& flags, TrainMachine& machine) {
    TrainProgress progress(job, {.json = flags.json, .quiet = flags.quiet}, machine.kernels, machine.pool);
    while (!job.is_finished() && !is_to_stop(job, flags)) {
        const auto event = job.advance();
        if (!event) {
            progress.end();
            return event.error();
        }
        progress.show(*event);
        if (event->is_saved) write_report(job);
    }
    progress.end();
    return job.is_finished() ? ok() : stop(job, flags);
}

}  // namespace

bool is_asked_to_stop() {
    return asked_to_stop != 0;
}

Status run_job(train::Recipe recipe, const TrainFlags& flags, TrainMachine& machine) {
    const bool quiet = flags.quiet || flags.json;
    auto opened = train::Job::open(std::move(recipe),
                                   {.restart = flags.restart,
                                    .only_plan = flags.dry_run,
                                    .activation_bytes = machine.activation_bytes,
                                    .quiet = quiet},
                                   machine.pool, machine.kernels);
    if (!opened) return opened.error();
    train::Job& job = **opened;
    if (flags.dry_run || !quiet) print_plan(job, flags);
    if (flags.dry_run) return job.plan().refusal.empty() ? ok() : error("{}", job.plan().refusal);
    const std::string result = (job.recipe().output / "final").string();
    if (job.has_result()) {
        if (!quiet) fmt::print("finished at step {}: {}\n", job.state().step, result);
        return ok();
    }
    const StopSignals signals;
    if (const Status taken = take_steps(job, flags, machine); !taken || !job.is_finished()) return taken;
    if (const Status finished = job.finish(quiet); !finished) return finished;
    write_report(job);
    if (!quiet) {
        fmt::print("{} at step {}: {}\n", job.is_stopped_early() ? "evaluations got no better, ended" : "done",
                   job.state().step, result);
    }
    return ok();
}

}  // namespace hone::cli
