#include "train/job_state.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

namespace hone::train {

namespace json = boost::json;

namespace {

// Calls visit(name, member) for every plain member, so that writing and reading cannot differ.
template <class State>
void for_each_field(State& state, auto&& visit) {
    visit("recipe_text", state.recipe_text);
    visit("model", state.model);
    visit("text", state.text);
    visit("initial_adapter", state.initial_adapter);
    visit("teacher", state.teacher);
    visit("data", state.data);
    visit("step", state.step);
    visit("optimiser_steps", state.optimiser_steps);
    visit("skipped", state.skipped);
    visit("skipped_in_a_row", state.skipped_in_a_row);
    visit("tokens", state.tokens);
    visit("seconds", state.seconds);
    visit("position_record", state.position.record);
    visit("position_item", state.position.item);
    visit("position_step_examples", state.position.step_examples);
    visit("evaluations_since_best", state.evaluations_since_best);
    visit("evaluated_step", state.evaluated_step);
    visit("epochs", state.epochs);
    visit("steps_of_epochs", state.steps_of_epochs);
    visit("metrics_bytes", state.metrics_bytes);
}

}  // namespace

std::string to_json(const JobState& state) {
    json::object object, recipe;
    for (const RecipeValue& each : state.recipe) recipe[each.key] = each.value;
    object["recipe"] = std::move(recipe);
    for_each_field(state, [&](const char* name, const auto& member) { object[name] = member; });
    if (state.best_loss) object["best_loss"] = *state.best_loss;
    return json::serialize(object);
}

Result<JobState> job_state_from_json(std::string_view text) {
    JobState state;
    const char* field = "recipe";
    try {
        const json::value parsed = json::parse(text);
        const json::object& object = parsed.as_object();
        for (const auto& [key, value] : object.at("recipe").as_object())
            state.recipe.push_back({std::string(key), json::value_to<std::string>(value)});
        for_each_field(state, [&](const char* name, auto& member) {
            field = name;
            member = json::value_to<std::remove_reference_t<decltype(member)>>(object.at(name));
        });
        field = "best_loss";
        if (object.contains("best_loss")) state.best_loss = json::value_to<double>(object.at("best_loss"));
    } catch (const std::exception& failure) {
        return error("state.json: {}: {}", field, failure.what());
    }
    return state;
}

}  // namespace hone::train
