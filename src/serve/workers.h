// Threads that run jobs in the order they were posted, and sequences of jobs on top of them. Serving has two pools: one
// for tokenising and templates, one for turning the engine's events into bytes; neither the engine's nor an I/O thread
// does either. post never blocks; where there is no memory for the
// job it throws std::bad_alloc and nothing has happened. An exception that leaves a job is logged and ends that job only.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace hone::serve {

class Workers {
  public:
    explicit Workers(int threads);
    ~Workers();
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    // False after stop(): the job is destroyed unrun.
    bool post(std::function<void()> job);
    // Runs what was posted, then joins the threads. Not from a worker.
    void stop();

  private:
    void work();

    std::mutex mutex_;
    std::condition_variable posted_;
    std::deque<std::function<void()>> jobs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

// Jobs of one owner, run one at a time and in order on a pool: the owner's state needs no lock. After the pool's end
// its jobs are destroyed unrun.
class JobSequence : public std::enable_shared_from_this<JobSequence> {
  public:
    explicit JobSequence(std::shared_ptr<Workers> workers) : workers_(std::move(workers)) {}

    void post(std::function<void()> job);

  private:
    void run_next();
    void schedule(std::unique_lock<std::mutex>& lock);

    std::shared_ptr<Workers> workers_;
    std::mutex mutex_;
    std::deque<std::function<void()>> jobs_;
    bool scheduled_ = false;
};

}  // namespace hone::serve
