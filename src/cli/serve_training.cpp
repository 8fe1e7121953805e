#include "cli/serve_training.h"

#include <filesystem>

#include "base/log.h"

namespace hone::cli {
namespace {

namespace fs = std::filesystem;

// That the server computes as the recipe would.
Status check_same_model(const train::Recipe& recipe, const ModelOptions& options, const OpenModel& open) {
    std::error_code ignored;
    if (options.path.empty() || !fs::equivalent(recipe.model, options.path, ignored)) {
        return error(
            "model is {}, but the server has {}; a job beside it trains an adapter of the model that is served",
            recipe.model.string(), options.path.empty() ? "random weights" : options.path);
    }
    const auto weights = model::weight_choice_named(options.weights);
    if (!weights) return weights.error().within("--weights");
    if (!recipe.train.is_full && recipe.train.weights != *weights)
        return error("train.weights are others than the server's --weights {}; set one like the other",
                     options.weights);
    if (recipe.train.int4_class != open.int4_class) {
        return error("the server computes INT4 in {}, the recipe in {}; set one like the other (hone serve --help)",
                     math::name_of(open.int4_class), math::name_of(recipe.train.int4_class));
    }
    return ok();
}

}  // namespace

Result<std::unique_ptr<train::BackgroundJob>> open_training(const std::string& flag, const ModelOptions& options,
                                                            OpenModel& open, Turns& turns, serve::Adapters& adapters) {
    const size_t equals = flag.find('=');
    const bool is_named = equals != std::string::npos && !fs::exists(flag);
    const std::string path = is_named ? flag.substr(equals + 1) : flag;
    auto recipe = train::read_recipe(path);
    if (!recipe) return recipe.error();
    if (const Status same = check_same_model(*recipe, options, open); !same) return same.error().within(path);
    const std::string name = is_named ? flag.substr(0, equals) : recipe->output.lexically_normal().filename().string();
    if (adapters.find(name)) return error("--train {}: {} is an adapter already; write NAME=RECIPE.toml", flag, name);
    const auto publish = [&adapters, name, source = recipe->output.string()](auto weights) {
        const auto published = adapters.publish(name, std::move(weights), source);
        if (!published) LOG_ERROR("--train: {}", published.error().message);
    };
    auto job = train::BackgroundJob::open(std::move(*recipe), open.loaded, turns, *open.kernels, publish);
    if (!job) return job.error().message.starts_with(path) ? job.error() : job.error().within(path);
    if (!adapters.find(name))
        return error("--train {}: '{}' cannot be a model's name; write NAME=RECIPE.toml", flag, name);
    const train::BackgroundStatus status = (*job)->status();
    LOG_INFO("training {}: {} of {} steps done; requests choose it by \"model\": \"{}\"", path, status.step,
             status.steps, name);
    return job;
}

}  // namespace hone::cli
