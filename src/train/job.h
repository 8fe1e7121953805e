// A training job from its recipe to its last checkpoint: opens model, data and output folder, takes steps one by one,
// evaluates and saves when it is time. The same recipe gives the same weights to the bit for any number of threads,
// and however often it is stopped, or killed, and opened again. One thread, which owns the pool. Errors say what to do.
//
//   OUTPUT/checkpoints/   checkpoint_store.h
//   OUTPUT/metrics.jsonl  metrics_file.h
//   OUTPUT/final/         the adapter, or the model in Hugging Face layout
//   OUTPUT/best/          where evaluations may end the job: the same of the one with the least loss so far
#pragma once

#include <memory>

#include <boost/json/object.hpp>

#include "train/checkpoint_store.h"
#include "train/job_data.h"
#include "train/job_model.h"
#include "train/job_state.h"
#include "train/metrics_file.h"
#include "train/trainer.h"

namespace hone::train {

struct JobOptions {
    bool restart = false;    // begin anew: removes checkpoints, metrics and results of the output folder
    bool only_plan = false;  // writes nothing
    // The model that the recipe names, where it is open already; it outlives the job, which trains an adapter of it.
    model::LoadedModel* loaded = nullptr;
    size_t activation_bytes = TrainingOptions().activation_bytes;  // of a pass (training_pass.h); changes no bit
    bool quiet = false;
};

struct JobPlan {
    int64_t steps = 0;  // in all
    int64_t parameters = 0, trained_parameters = 0;
    size_t memory_bytes = 0;          // an estimate
    std::optional<JobSurvey> survey;  // of a job that goes on only where its steps are counted anew
    // With only_plan: what the output folder has, and why opening the job in it would fail; empty where it would not.
    int64_t saved_step = 0;
    std::string refusal;
};

// A step, and what was done behind it.
struct JobEvent {
    StepReport step;
    double seconds = 0;                  // of the step
    double keys_seen = 0;                // by all tokens, for the cost of attention
    std::optional<PassLoss> evaluation;  // means
    bool is_best = false, is_saved = false;
};

class Job {
  public:
    static Result<std::unique_ptr<Job>> open(Recipe recipe, const JobOptions& options, ThreadPool& pool,
                                             const math::KernelTable& kernels);

    // What a job has left in its output folder, so that one begins anew there: checkpoints, final and best.
    static Status remove(const std::filesystem::path& output);

    const Recipe& recipe() const { return recipe_; }
    const JobPlan& plan() const { return plan_; }
    const JobState& state() const { return state_; }
    const JobData& data() const { return *data_; }
    model::Model& model() { return *model_->model; }
    const std::string& model_name() const { return model_->name; }
    // As it was published last; null where all weights are trained.
    const std::shared_ptr<const model::Adapter>& adapter() const { return weights_->adapter(); }
    std::span<const Parameter> parameters() const { return weights_->parameters(); }

    bool is_finished() const { return state_.step >= plan_.steps || is_stopped_early(); }
    // Evaluations have got no better for as long as the recipe waits.
    bool is_stopped_early() const {
        return recipe_.evaluation.patience > 0 && state_.evaluations_since_best >= recipe_.evaluation.patience;
    }
    // Takes the next step; evaluates and saves if it is time. Errors: data that cannot be read any more (what the steps
    // before have made is saved then), gradients that were not
    // finite several times in a row, a checkpoint that cannot be written.
    Result<JobEvent> advance();
    // Whether what is trained is as the last step left it: not where one was left (base/turns.h) while it changed weights.
    bool is_whole() const { return trainer_->is_whole(); }
    // Makes sure that the state as it is can be gone on from.
    Status save();
    // Whether OUTPUT/final is there and of the last step: not where the process was ended before finish() was done.
    bool has_result() const;
    // Saves, and writes OUTPUT/final, which appears whole, in place of an earlier one.
    Status finish(bool quiet);

  private:
    Job(Recipe recipe, ThreadPool& pool, const math::KernelTable& kernels);
    Status open_models(const JobOptions& options);
    Status make_weights();
    std::unique_ptr<Objective> make_objective() const;
    void estimate(size_t activation_bytes);
    Status set_total_steps();
    Status survey();
    Status look_at_output();
    Status begin(const JobOptions& options);
    // The state of a checkpoint that the recipe may go on from.
    Result<JobState> begun_state(const Checkpoint& checkpoint) const;
    Status go_on_from_newest();
    Status go_on(const Checkpoint& checkpoint);
    static Status remove_results(CheckpointStore& store, const std::filesystem::path& output);
    Status check_same(const JobState& begun) const;
    Result<PassLoss> evaluate();
    Error failed_to_read(const Error& failure);
    Status note_evaluation(JobEvent& event);
    Status write_result(const char* name, bool quiet);
    Status note_step(const JobEvent& event);
    Status append(boost::json::object line);
    bool is_time_to_evaluate() const;
    bool is_time_to_save() const;
    std::vector<RestoredTensor> tensors();

    Recipe recipe_;
    ThreadPool& pool_;
    math::Workspace workspace_;
    math::OpContext ops_;
    std::optional<model::LoadedModel> own_model_;
    model::LoadedModel* model_ = nullptr;
    std::optional<model::LoadedModel> frozen_;                 // teacher or reference
    std::shared_ptr<const model::Adapter> reference_adapter_;  // of a reference that is the model itself
    std::optional<TrainedWeights> weights_;
    std::unique_ptr<Objective> objective_;
    std::optional<Trainer> trainer_;
    std::unique_ptr<JobData> data_;
    std::optional<CheckpointStore> store_;
    std::optional<MetricsFile> metrics_;
    JobPlan plan_;
    JobState state_;
    int64_t saved_step_ = -1;
    double saved_at_ = 0;  // on the clock
};

}  // namespace hone::train
