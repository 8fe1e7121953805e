// Training steps of a model of a known shape under a stopwatch, beside what the machine could do at that moment: an
// adapter, or all weights. Forward, cross entropy, back, AdamW and packing, over documents of random tokens. One thread,
// which owns the model's pool.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "cli/bench/model_cost.h"
#include "cli/bench/stopwatch.h"
#include "cli/model_options.h"
#include "train/adapter.h"
#include "train/full_parameters.h"
#include "train/optimisers/adamw_state.h"
#include "train/training_pass.h"

namespace hone::cli {

struct TrainingShape {
    int32_t documents = 4, tokens = 2048;  // in a batch; tokens of each document
    int32_t rank = 0;                      // of an adapter of all matrices; 0: all weights are trained
    train::TrainingOptions options;

    int64_t rows() const { return int64_t{documents} * tokens; }
};

class TrainingWorkload {
  public:
    // `open` and `meter` outlive it. Errors: no memory.
    static Result<std::unique_ptr<TrainingWorkload>> create(const OpenModel& open, LimitMeter& meter,
                                                            const TrainingShape& shape);

    // The row `name` in tokens a second, and behind it a row for each way and phase, and for the optimiser's step, in
    // milliseconds. With an adapter the limit is 2 operations a token and active weight at the bf16 peak, after two
    // passes at `prefill` tokens a second; else three times what a forward pass needs.
    std::vector<BenchRow> measure(const std::string& name, double prefill, int repeats, bool quiet);
    // Of what is trained: values, gradients and both moments.
    double trained_bytes() const;

  private:
    struct Sample {
        math::PhaseClock clock;
        double step_seconds = 0;
    };

    TrainingWorkload(const OpenModel& open, LimitMeter& meter, const TrainingShape& shape);
    Status start();
    std::span<const train::Parameter> parameters() const;
    const math::WeightGradients& gradients() const;
    Status publish();
    void step(Sample& sample);
    double limit(double prefill, const MachineLimits& limits) const;

    const OpenModel& open_;
    const TrainingShape shape_;
    ModelCost cost_;
    Stopwatch watch_;
    math::Workspace workspace_;
    math::PhaseClock clock_;
    math::OpContext ops_;
    std::optional<train::TrainedAdapter> adapter_;
    std::shared_ptr<const model::Adapter> published_;
    std::optional<train::FullParameters> full_;
    std::optional<train::AdamwState> optimiser_;
    std::optional<train::TrainingPass> pass_;
    std::vector<int32_t> tokens_, targets_;
    std::vector<int64_t> offsets_;
};

}  // namespace hone::cli
