// Opening a job: models, weights, data, and the checkpoint to go on from.
#include <algorithm>

#include "base/atomic_folder.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/checkpoint/fingerprint.h"
#include "train/job.h"

namespace hone::train {

namespace fs = std::filesystem;

Job::Job(Recipe recipe, ThreadPool& pool, const math::KernelTable& kernels)
    : recipe_(std::move(recipe)), pool_(pool), ops_{pool, workspace_, kernels, recipe_.train.int4_class} {}

Result<std::unique_ptr<Job>> Job::open(Recipe recipe, const JobOptions& options, ThreadPool& pool,
                                       const math::KernelTable& kernels) {
    std::unique_ptr<Job> job(new Job(std::move(recipe), pool, kernels));
    if (const Status opened = job->open_models(options); !opened) return opened.error();
    auto data = JobData::open(job->recipe_, job->model_->files, job->model_->model->spec(), options.quiet);
    if (!data) return data.error();
    job->data_ = std::move(*data);
    if (const Status made = job->make_weights(); !made) return made.error();
    job->objective_ = job->make_objective();
    job->trainer_.emplace(*job->model_->model, *job->weights_, *job->objective_, job->recipe_.optimiser,
                          BalanceOptions{job->recipe_.aux_coefficient, job->recipe_.bias_rate}, job->ops_,
                          options.activation_bytes);
    job->estimate(options.activation_bytes);
    if (const Status begun = job->begin(options); !begun) return begun.error();
    return job;
}

// Fingerprints are taken while the models have the weights that they are loaded with.
Status Job::open_models(const JobOptions& options) {
    for (const fs::path& file : recipe_.data.files)
        if (!fs::exists(file))
            return recipe_.mistake("data.files", fmt::format("names {}: there is no such file", file.string()));
    model_ = options.loaded;
    if (!model_) {
        auto loaded = open_trained_model(recipe_, pool_, options.quiet);
        if (!loaded) return loaded.error();
        model_ = &own_model_.emplace(std::move(*loaded));
    }
    state_.model = model::weights_fingerprint(*model_);
    auto text = model::text_fingerprint(model_->files);
    if (!text) return text.error();
    state_.text = std::move(*text);
    const bool needs_reference = recipe_.kind == JobKind::dpo && recipe_.train.is_full;
    if (recipe_.kind != JobKind::distill && !needs_reference) return ok();
    auto frozen = recipe_.kind == JobKind::distill ? open_frozen_model(recipe_.distill.teacher, pool_, options.quiet)
                                                   : open_trained_model(recipe_, pool_, options.quiet);
    if (!frozen) return frozen.error();
    frozen_ = std::move(*frozen);
    if (recipe_.kind != JobKind::distill) return ok();
    state_.teacher = model::weights_fingerprint(*frozen_);
    return check_same_tokens(*model_, *frozen_);
}

Status Job::make_weights() {
    if (recipe_.train.is_full) {
        CHECK(own_model_.has_value(), "weights that others read");
        auto full = FullParameters::create(*model_->model, recipe_.train.weights, pool_);
        if (!full) return full.error();
        weights_.emplace(std::move(*full));
        if (recipe_.bias_rate > 0 && weights_->router_biases().empty()) {
            return recipe_.mistake("balance.bias_rate",
                                   fmt::format("is {}, but the routers of {} have no correction bias; use "
                                               "balance.aux_coefficient",
                                               recipe_.bias_rate, model_->name));
        }
        model_->weights = {};  // the model reads its own now
        return weights_->publish(pool_);
    }
    if (recipe_.lora.init.empty()) {
        weights_.emplace(TrainedAdapter(*model_->model, recipe_.lora.spec, pool_));
        return weights_->publish(pool_);
    }
    const auto contents = model::read_adapter(recipe_.lora.init);
    if (!contents) return contents.error().within("lora.init");
    auto adapter = TrainedAdapter::from(*model_->model, *contents);
    if (!adapter) return adapter.error().within(recipe_.lora.init.string());
    weights_.emplace(std::move(*adapter));
    const Status published = weights_->publish(pool_);
    if (!published) return published;
    reference_adapter_ = weights_->adapter();
    state_.initial_adapter = reference_adapter_->fingerprint();
    return ok();
}

std::unique_ptr<Objective> Job::make_objective() const {
    switch (recipe_.kind) {
        case JobKind::pretrain:
        case JobKind::sft:
            break;
        case JobKind::distill:
            return distillation_objective({*frozen_->model}, recipe_.distill.alpha, recipe_.distill.top_k);
        case JobKind::dpo:
            return preference_objective({frozen_ ? *frozen_->model : *model_->model, reference_adapter_.get()},
                                        recipe_.dpo_beta);
    }
    return cross_entropy_objective();
}

// Weights with their packed forms, masters or factors with gradients and moments, what a pass keeps, a layer that is
// recorded, and logits.
void Job::estimate(size_t activation_bytes) {
    const model::ModelSpec& spec = model_->model->spec();
    size_t bytes = 0, products = 0, of_experts = 0;  // the latter two: columns of all products' results
    model_->model->visit([&](const model::WeightSlot& slot) {
        plan_.parameters += int64_t{slot.n} * slot.k;
        if (slot.role == model::WeightRole::linear) products += static_cast<size_t>(slot.n);
        if (slot.role == model::WeightRole::expert) of_experts += static_cast<size_t>(slot.n);
        bytes += slot.matrix ? math::packed_bytes(slot.matrix->format, slot.n, slot.k) : slot.vector->size_bytes();
    });
    for (const Parameter& parameter : weights_->parameters())
        plan_.trained_parameters += static_cast<int64_t>(parameter.values.size());
    bytes += static_cast<size_t>(plan_.trained_parameters) * 2 * sizeof(float);
    for (const auto& moment : trainer_->optimiser().moments()) bytes += moment.values.size_bytes();
    const auto column = static_cast<size_t>(recipe_.train.tokens) * sizeof(float);
    const auto layers = static_cast<size_t>(spec.layers), hidden = static_cast<size_t>(spec.hidden);
    const size_t attention = static_cast<size_t>(spec.heads) * static_cast<size_t>(spec.head_dim);
    const size_t recorded = products / layers + attention + 4 * hidden;
    if (spec.experts > 0) {  // gate and up of those that a token chooses are kept; down, as wide as the model, is not
        const size_t inner = of_experts - hidden * static_cast<size_t>(spec.experts) * spec.routed_layers.size();
        products += inner / static_cast<size_t>(spec.experts) * static_cast<size_t>(spec.experts_per_token);
    }
    bytes += std::min(activation_bytes, column * ((layers + 1) * hidden + layers * attention + products));
    bytes += column * recorded + TrainingOptions().logits_bytes;
    if (frozen_ || recipe_.kind == JobKind::dpo) bytes += column * hidden + TrainingOptions().logits_bytes;
    if (frozen_) bytes += frozen_->weights.bytes().size();
    plan_.memory_bytes = bytes;
}

Status Job::set_total_steps() {
    const TrainOptions& train = recipe_.train;
    const bool is_surveyed = train.steps ? state_.epochs >= 0 : state_.epochs == train.epochs;
    if (!is_surveyed) {
        if (const Status read = survey(); !read) return read;
    }
    plan_.steps = train.steps ? *train.steps : state_.steps_of_epochs;
    Schedule& schedule = recipe_.schedule;
    schedule.total_steps = plan_.steps;
    if (schedule.decay != Decay::constant && schedule.warmup_steps + schedule.decay_steps > plan_.steps) {
        return recipe_.mistake("schedule.warmup_steps",
                               fmt::format("{} and decay_steps {} are more than the {} steps of the job",
                                           schedule.warmup_steps, schedule.decay_steps, plan_.steps));
    }
    return ok();
}

// The result belongs to the contents of the data, which a job that goes on has checked.
Status Job::survey() {
    auto survey = data_->survey(pool_);
    if (!survey) return survey.error();
    state_.epochs = recipe_.train.steps ? 0 : recipe_.train.epochs;
    state_.steps_of_epochs = survey->steps;
    for (const DataSurvey* part : {&survey->training, survey->evaluation ? &*survey->evaluation : nullptr}) {
        if (part && part->loses_much())
            LOG_WARN("{}data: of {} records, {}; train.tokens, data.max_tokens and data.too_long decide on it",
                     part == &survey->training ? "" : "evaluation ", part->records, part->losses());
    }
    plan_.survey = std::move(*survey);
    return ok();
}

// What begin() would find in the output folder: reads, and locks nothing.
Status Job::look_at_output() {
    auto newest = newest_checkpoint(recipe_.output);
    if (!newest) return newest.error();
    for (const std::string& damaged : newest->damaged) LOG_WARN("{}", damaged);
    if (!newest->checkpoint) return ok();
    plan_.saved_step = newest->checkpoint->step();
    const auto begun = begun_state(*newest->checkpoint);
    if (!begun) plan_.refusal = begun.error().message;
    return ok();
}

Status Job::begin(const JobOptions& options) {
    state_.recipe = recipe_.values;
    state_.recipe_text = recipe_.text;
    state_.data = data_->hash();
    const fs::path& output = recipe_.output;
    if (options.only_plan) {
        const Status set = set_total_steps();
        return !set || options.restart ? set : look_at_output();
    }
    auto store = CheckpointStore::open(output);
    if (!store) return store.error();
    store_.emplace(std::move(*store));
    if (!options.restart) {
        if (const Status found = go_on_from_newest(); !found) return found;
    }
    if (const Status set = set_total_steps(); !set) return set;
    if (options.restart) {  // last: nothing that is found wrong costs what is there
        if (const Status removed = remove_results(*store_, output); !removed) return removed;
    }
    auto metrics = MetricsFile::open(output / "metrics.jsonl", state_.metrics_bytes);
    if (!metrics) return metrics.error();
    metrics_.emplace(std::move(*metrics));
    saved_at_ = monotonic_seconds();
    JobEvent missed;  // by a job that was left behind its step
    return is_time_to_evaluate() ? note_evaluation(missed) : ok();
}

Status Job::go_on_from_newest() {
    const fs::path& output = recipe_.output;
    const auto newest = newest_checkpoint(output);
    if (!newest) return newest.error();
    if (newest->checkpoint) {
        for (const std::string& damaged : newest->damaged) LOG_WARN("{}", damaged);
        return go_on(*newest->checkpoint);
    }
    constexpr const char* kAdvice = "choose another output, or start anew with --restart";
    if (!newest->damaged.empty()) {
        return error("{}: no checkpoint in it is whole; put one back that is, {}. The newest: {}", output.string(),
                     kAdvice, newest->damaged.front());
    }
    if (fs::exists(output / "final"))
        return error("{}: there is a result in it, but no checkpoint; {}", output.string(), kAdvice);
    return ok();
}

Status Job::remove(const fs::path& output) {
    if (!fs::exists(output)) return ok();
    auto store = CheckpointStore::open(output);
    if (!store) return store.error();
    return remove_results(*store, output);
}

// Checkpoints first: without them, a result that is left over is refused.
Status Job::remove_results(CheckpointStore& store, const fs::path& output) {
    if (const Status removed = store.remove_all(); !removed) return removed;
    for (const char* name : {"final", "best"}) {
        const fs::path folder = output / name;
        if (!fs::exists(folder)) continue;
        if (const Status removed = AtomicFolder::remove(folder); !removed) return removed;
    }
    return ok();
}

Result<JobState> Job::begun_state(const Checkpoint& checkpoint) const {
    auto begun = job_state_from_json(checkpoint.state());
    if (!begun) return begun.error().within(checkpoint.folder().string());
    if (const Status same = check_same(*begun); !same) {
        return error("{}: {}; set it back, choose another output, or start anew with --restart",
                     recipe_.output.string(), same.error().message);
    }
    return begun;
}

Status Job::go_on(const Checkpoint& checkpoint) {
    auto begun = begun_state(checkpoint);
    if (!begun) return begun.error();
    if (const Status restored = checkpoint.restore(tensors()); !restored) return restored;
    begun->recipe = recipe_.values;
    begun->recipe_text = recipe_.text;
    state_ = std::move(*begun);
    trainer_->optimiser().resume_at(state_.optimiser_steps);
    data_->go_on_from(state_.position);
    saved_step_ = state_.step;
    return weights_->publish(pool_);
}

Status Job::check_same(const JobState& begun) const {
    if (const Status same = check_same_job(recipe_, begun.recipe); !same) return same;
    if (begun.model != state_.model) return error("the weights of model are others than when this job began");
    if (begun.text != state_.text)
        return error("the tokenizer or the chat template of model is another than when this job began");
    if (begun.initial_adapter != state_.initial_adapter)
        return error("the adapter of lora.init is another than when this job began");
    if (begun.teacher != state_.teacher)
        return error("the weights of distill.teacher are others than when this job began");
    if (begun.data != state_.data)
        return error("the contents of data.files or evaluation.files have changed since this job began");
    return ok();
}

}  // namespace hone::train
