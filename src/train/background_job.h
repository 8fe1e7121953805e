// A training job beside other work on the same threads: its steps run on a thread of its own in the turns that the host
// of the pool gives (base/turns.h), each version of its adapter is handed out as it comes. The same bits as the job alone.
// Owned by one thread; status() from any. What is given outlives it.
#pragma once

#include <functional>
#include <mutex>
#include <thread>

#include "base/turns.h"
#include "train/job.h"

namespace hone::train {

struct BackgroundStatus {
    int64_t step = 0, steps = 0;  // done, in all
    int64_t tokens = 0;           // that passed the model, of all steps
    double loss = 0;              // of the last step
    double seconds = 0;           // on the clock, of all steps
    bool is_running = true;       // otherwise it is finished, dismissed, or has failed
    bool has_failed = false;
};

class BackgroundJob {
  public:
    // Called on the job's thread, but for the first time in open().
    using Publish = std::function<void(std::shared_ptr<const model::Adapter>)>;

    // Opens the job on the caller's thread, as a guest of `turns`, whose host is at work: it trains an adapter of
    // `loaded`, which the recipe names and which others use too. Publishes what the job has so far. Errors: the job's; a
    // recipe that trains all weights, which others read.
    static Result<std::unique_ptr<BackgroundJob>> open(Recipe recipe, model::LoadedModel& loaded, Turns& turns,
                                                       const math::KernelTable& kernels, Publish publish);
    ~BackgroundJob();  // end()

    // From here on steps are taken.
    void begin();
    // The job gets no more time but to end: it drops the step under way, or finishes changing its weights, and saves.
    void dismiss();
    // dismiss(), and waits for that.
    void end();
    BackgroundStatus status() const;

  private:
    explicit BackgroundJob(Turns& turns, Publish publish);
    void run();
    Status take_steps();
    void save();
    void note(const JobEvent* event);

    Turns& turns_;
    ThreadPool pool_;
    Publish publish_;
    std::unique_ptr<Job> job_;
    mutable std::mutex mutex_;
    BackgroundStatus status_;
    std::thread thread_;
};

}  // namespace hone::train
