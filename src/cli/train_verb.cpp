// hone train: reads what kind of recipe it is, and runs it.
#include "cli/train_runs.h"

namespace hone::cli {
namespace {

Status run_train(const TrainFlags& flags) {
    const auto kind = train::kind_of_recipe(flags.recipe);
    if (!kind) return kind.error();
    auto kernels = kernels_for(flags.machine);
    if (!kernels) return kernels.error();
    const auto activation_bytes = activation_bytes_of(flags.activation_memory);
    if (!activation_bytes) return activation_bytes.error();
    if (flags.stop_at > 0 && *kind != train::RecipeKind::job)
        return error("{}: --stop-at counts the steps of one job, and this recipe is none; name the recipe of one",
                     flags.recipe);
    TrainMachine machine{ThreadPool(thread_count(flags.machine)), **kernels, *activation_bytes};
    switch (*kind) {
        case train::RecipeKind::stages:
            return run_stages(flags, machine);
        case train::RecipeKind::tokenizer: {
            auto recipe = train::read_tokenizer_recipe(flags.recipe);
            return recipe ? run_tokenizer(std::move(*recipe), flags, machine) : recipe.error();
        }
        case train::RecipeKind::job:
            break;
    }
    auto recipe = train::read_recipe(flags.recipe);
    return recipe ? run_job(std::move(*recipe), flags, machine) : recipe.error();
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
  hone train my.toml --stop-at 500 leaves off behind step 500

runs/first/final is then the adapter, runs/first/report.html shows the curves.

A recipe may also train a tokenizer (kind = "tokenizer"), or run others one after the other, each going on where it was:

  kind = "stages"
  stages = ["tokenizer.toml", "pretrain.toml", "chat.toml"]

docs/training.md has all keys.)";

}  // namespace

void add_train(CLI::App& app, int& status) {
    auto flags = std::make_shared<TrainFlags>();
    CLI::App* verb =
        app.add_subcommand("train", "Train an adapter, all weights of a model or a tokenizer, as a recipe says");
    verb->add_option("RECIPE", flags->recipe, "Recipe, a TOML file")->required();
    verb->add_flag("--dry-run", flags->dry_run, "Only check recipe and data, and tell parameters, memory and steps");
    verb->add_flag("--restart", flags->restart,
                   "Begin anew: removes the checkpoints and the result in the recipe's output folder");
    verb->add_option("--stop-at", flags->stop_at,
                     "Stop and save behind this step, as if interrupted; the command without it goes on")
        ->check(CLI::PositiveNumber);
    verb->add_flag("--json", flags->json, "One JSON object a step on stdout, and no progress");
    verb->add_flag("--quiet", flags->quiet, "No progress");
    add_activation_memory_option(*verb, flags->activation_memory);
    add_threads_option(*verb, flags->machine);
    add_isa_option(*verb, flags->machine);
    verb->footer(kExample);
    verb->callback([flags, &status] { status = report(run_train(*flags)); });
}

}  // namespace hone::cli
