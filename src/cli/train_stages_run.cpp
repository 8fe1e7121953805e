// Recipes one after the other: each runs as it would alone.
#include <boost/json/serialize.hpp>

#include "cli/train_runs.h"
#include "train/job.h"
#include "train/tokenizer_job.h"

namespace hone::cli {
namespace {

void announce(const train::Stage& stage, const std::string& place, const TrainFlags& flags) {
    const bool awaits = flags.dry_run && !stage.awaited.empty();
    if (flags.json) {
        boost::json::object line{{"stage", place}, {"kind", stage.kind()}, {"recipe", stage.path.string()}};
        if (awaits) {
            boost::json::array& inputs = line["awaits"].emplace_array();
            for (const std::string& input : stage.awaited) inputs.emplace_back(input);
        }
        fmt::print("{}\n", boost::json::serialize(line));
    } else if (awaits) {
        fmt::print("stage {}: {}\n{}: right as far as can be told; it reads what is to come: {}\n", place, stage.kind(),
                   stage.path.string(), fmt::join(stage.awaited, ", "));
    } else if (flags.dry_run || !flags.quiet) {
        fmt::print("stage {}: {}\n", place, stage.kind());
    }
    std::fflush(stdout);
}

Status run_stage(const train::Stage& stage, const TrainFlags& flags, TrainMachine& machine) {
    if (const auto* const recipe = std::get_if<train::TokenizerRecipe>(&stage.recipe))
        return run_tokenizer(*recipe, flags, machine);
    return run_job(std::get<train::Recipe>(stage.recipe), flags, machine);
}

// Everything that can be found wrong before what earlier stages write is there.
Status check(const train::Stage& stage, TrainMachine& machine) {
    if (!stage.awaited.empty()) return ok();
    if (const auto* const recipe = std::get_if<train::TokenizerRecipe>(&stage.recipe)) {
        const auto job = train::TokenizerJob::open(*recipe, {.restart = true, .only_plan = true, .quiet = true});
        if (!job) return job.error();
        const auto words = (*job)->count_words(machine.pool);
        return words ? ok() : Status(words.error());
    }
    const train::JobOptions options{
        .restart = true, .only_plan = true, .activation_bytes = machine.activation_bytes, .quiet = true};
    const auto job = train::Job::open(std::get<train::Recipe>(stage.recipe), options, machine.pool, machine.kernels);
    return job ? ok() : Status(job.error());
}

// All of them before the first begins: otherwise a stage would find what a later run of it has left, of other inputs.
Status begin_anew(std::span<const train::Stage> stages, TrainMachine& machine) {
    for (const train::Stage& stage : stages)  // nothing that is found wrong costs what is there
        if (const Status right = check(stage, machine); !right) return right;
    for (size_t i = stages.size(); i-- > 0;)
        if (const Status removed = train::remove_results(stages[i]); !removed) return removed;
    return ok();
}

}  // namespace

Status run_stages(const TrainFlags& flags, TrainMachine& machine) {
    const auto stages = train::read_stages(flags.recipe, flags.restart);
    if (!stages) return stages.error();
    TrainFlags of_stage = flags;
    if (flags.restart && !flags.dry_run) {
        if (const Status begun = begin_anew(*stages, machine); !begun) return begun;
        of_stage.restart = false;
    }
    for (size_t i = 0; i < stages->size(); ++i) {
        const train::Stage& stage = (*stages)[i];
        const std::string place = fmt::format("{} of {}", i + 1, stages->size());
        announce(stage, place, flags);
        if (flags.dry_run && !stage.awaited.empty()) continue;
        if (const Status ran = run_stage(stage, of_stage, machine); !ran)
            return ran.error().within(fmt::format("stage {}", place));
        if (is_asked_to_stop() && i + 1 < stages->size())
            return error("stopped behind stage {}; `hone train {}` goes on with the next", place, flags.recipe);
    }
    return ok();
}

}  // namespace hone::cli
