// How far a training job is: one line rewritten in place on a terminal, a plain line every few seconds elsewhere, one
// JSON object a step on stdout if asked for. One thread, which owns the pool.
#pragma once

#include "cli/bench/model_cost.h"
#include "train/job.h"

namespace hone::cli {

struct TrainProgressOptions {
    bool json = false, quiet = false;
};

class TrainProgress {
  public:
    // Measures the machine's bf16 peak for a moment, what the rate of training is a fraction of.
    TrainProgress(train::Job& job, const TrainProgressOptions& options, const math::KernelTable& kernels,
                  ThreadPool& pool);

    void show(const train::JobEvent& event);
    // The last line stays.
    void end();

  private:
    double fraction_of_peak(const train::JobEvent& event) const;
    std::string line_of(const train::JobEvent& event) const;
    void print_json(const train::JobEvent& event) const;

    const train::Job& job_;
    const TrainProgressOptions options_;
    const bool is_terminal_;
    ModelCost cost_;
    double flops_factor_ = 3;  // operations of a step over those of its forward pass
    double bf16_peak_ = 0;     // operations a second; 0: not measured
    double shown_ = 0;         // on the clock
    double seconds_a_step_ = 0;
    std::string last_evaluation_, last_line_;
};

}  // namespace hone::cli
