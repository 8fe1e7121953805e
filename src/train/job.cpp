#include "train/job.h"

#include <cmath>

#include <boost/json/serialize.hpp>

#include "base/clock.h"

namespace hone::train {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr int64_t kMostSkipped = 5;  // steps in a row

Result<JobEvent> Job::advance() {
    CHECK(!is_finished(), "a step of a job that is finished");
    const double started = monotonic_seconds();
    auto passes = data_->next_step();
    if (!passes) return failed_to_read(passes.error());
    if (passes->empty()) return error("the data ended before step {} of {}", state_.step + 1, plan_.steps);
    auto step = trainer_->step(*passes, learning_rate(recipe_.schedule, state_.step + 1));
    if (!step) return step.error();
    JobEvent event{.step = std::move(*step), .seconds = monotonic_seconds() - started, .evaluation = {}};
    for (const Batch& pass : *passes) {
        for (size_t d = 0; d + 1 < pass.offsets.size(); d++) {
            const auto length = static_cast<double>(pass.offsets[d + 1] - pass.offsets[d]);
            event.keys_seen += length * (length + 1) / 2;
        }
    }
    state_.step++;
    state_.optimiser_steps = trainer_->optimiser().steps();
    state_.tokens += event.step.tokens;
    state_.seconds += event.seconds;
    state_.position = data_->position();
    state_.skipped += event.step.is_skipped;
    state_.skipped_in_a_row = event.step.is_skipped ? state_.skipped_in_a_row + 1 : 0;
    if (const Status noted = note_step(event); !noted) return noted.error();
    if (state_.skipped_in_a_row >= kMostSkipped) {
        return error(
            "step {}: the gradient was not finite in {} steps in a row; lower optimiser.learning_rate, or set "
            "optimiser.grad_clip_norm, and start again with --restart",
            state_.step, kMostSkipped);
    }
    if (is_time_to_evaluate()) {
        if (const Status noted = note_evaluation(event); !noted) return noted.error();
    }
    if (is_time_to_save()) {
        if (const Status saved = save(); !saved) return saved.error();
        event.is_saved = true;
    }
    return event;
}

Result<PassLoss> Job::evaluate() {
    const auto batches = data_->evaluation();
    PassLoss sums;
    double weight = 0;
    for (;;) {
        const auto batch = batches->next();
        if (!batch) return failed_to_read(batch.error().within("evaluation"));
        if (!*batch) break;
        sums.add(trainer_->evaluate(**batch));
        weight += trainer_->weight(**batch);
    }
    if (weight == 0) return error("evaluation: nothing in its records is trained on, so they have no loss");
    sums.loss /= weight;
    for (auto& [name, value] : sums.more) value /= weight;
    return sums;
}

// The files changed while the job ran. The weights are those of the last step.
Error Job::failed_to_read(const Error& failure) {
    const Status saved = save();
    if (!saved) return error("{}; and saving failed: {}", failure.message, saved.error().message);
    return error("{}; step {} is saved, set the data back to go on from it", failure.message, state_.step);
}

Status Job::note_evaluation(JobEvent& event) {
    auto evaluated = evaluate();
    if (!evaluated) return evaluated.error();
    event.evaluation = std::move(*evaluated);
    const double loss = event.evaluation->loss;
    event.is_best = std::isfinite(loss) && (!state_.best_loss || loss < *state_.best_loss);
    if (event.is_best) state_.best_loss = loss;
    state_.evaluated_step = state_.step;
    state_.evaluations_since_best = event.is_best ? 0 : state_.evaluations_since_best + 1;
    if (event.is_best && recipe_.evaluation.patience > 0) {
        if (const Status written = write_result("best", true); !written) return written;
    }
    json::object line{{"step", state_.step}, {"evaluation_loss", loss}, {"is_best", event.is_best}};
    for (const auto& [name, value] : event.evaluation->more) line["evaluation_" + std::string(name)] = value;
    return append(std::move(line));
}

// JSON has no infinities: what is not finite is left out.
Status Job::append(json::object line) {
    json::object written;
    for (const auto& [key, value] : line)
        if (!value.is_double() || std::isfinite(value.get_double())) written[key] = value;
    return metrics_->append(json::serialize(written));
}

Status Job::note_step(const JobEvent& event) {
    const StepReport& step = event.step;
    json::object line{{"step", state_.step},
                      {"loss", step.loss.loss},
                      {"learning_rate", step.learning_rate},
                      {"gradient_norm", step.gradient_norm},
                      {"tokens", step.tokens},
                      {"seconds", event.seconds}};
    if (recipe_.aux_coefficient > 0) line["aux_loss"] = step.loss.aux_loss;
    if (recipe_.bias_rate > 0) line["load_violation"] = step.load_violation;
    for (const auto& [name, value] : step.loss.more) line[name] = value;
    if (step.is_skipped) line["skipped"] = true;
    return append(std::move(line));
}

bool Job::is_time_to_evaluate() const {
    const bool is_due = state_.step % recipe_.evaluation.every == 0 || state_.step == plan_.steps;
    return recipe_.evaluation.wanted() && is_due && state_.evaluated_step < state_.step;
}

bool Job::is_time_to_save() const {
    const CheckpointOptions& options = recipe_.checkpoint;
    const bool by_steps = options.every_steps > 0 && state_.step % options.every_steps == 0;
    const bool by_time = options.every_minutes > 0 && monotonic_seconds() - saved_at_ >= 60 * options.every_minutes;
    return by_steps || by_time || is_finished();
}

Status Job::save() {
    if (saved_step_ == state_.step) return ok();
    if (const Status synced = metrics_->sync(); !synced) return synced;
    state_.metrics_bytes = metrics_->bytes();
    std::vector<CheckpointTensor> saved;
    for (const RestoredTensor& tensor : tensors())
        saved.push_back({tensor.name, {.dtype = tensor.dtype, .shape = tensor.shape, .bytes = tensor.bytes}});
    if (const Status stored = store_->save(state_.step, to_json(state_), saved); !stored) return stored;
    saved_step_ = state_.step;
    saved_at_ = monotonic_seconds();
    return store_->prune(static_cast<size_t>(recipe_.checkpoint.keep));
}

std::vector<RestoredTensor> Job::tensors() {
    std::vector<RestoredTensor> tensors;
    const auto add = [&](const std::string& name, const math::Shape& shape, std::span<float> values) {
        tensors.push_back({name, math::DType::f32, shape, std::as_writable_bytes(values)});
    };
    for (const auto parameters : {weights_->parameters(), weights_->router_biases()})
        for (const Parameter& parameter : parameters) add(parameter.name, parameter.shape, parameter.values);
    for (const auto& moment : trainer_->optimiser().moments()) add(moment.name, moment.shape, moment.values);
    return tensors;
}

}  // namespace hone::train
