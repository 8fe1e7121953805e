#include "serve/workers.h"

#include <exception>

#include "base/log.h"

namespace hone::serve {

namespace {

void run_guarded(std::function<void()>& job) {
    try {
        job();
    } catch (const std::exception& problem) {
        LOG_ERROR("serve: a job failed: {}", problem.what());
    }
}

}  // namespace

Workers::Workers(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Workers::~Workers() {
    stop();
}

bool Workers::post(std::function<void()> job) {
    {
        std::lock_guard lock(mutex_);
        if (stopping_) return false;
        jobs_.push_back(std::move(job));
    }
    posted_.notify_one();
    return true;
}

void Workers::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    posted_.notify_all();
    for (std::thread& thread : threads_)
        if (thread.joinable()) thread.join();
}

void Workers::work() {
    for (;;) {
        std::function<void()> job;
        {
            std::unique_lock lock(mutex_);
            posted_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            job = std::move(jobs_.front());
            jobs_.pop_front();
        }
        run_guarded(job);
    }
}

void JobSequence::post(std::function<void()> job) {
    {
        std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
        if (std::exchange(scheduled_, true)) return;
    }
    schedule();
}

void JobSequence::schedule() {
    if (workers_->post([self = shared_from_this()] { self->run_next(); })) return;
    std::deque<std::function<void()>> unrun;
    std::lock_guard lock(mutex_);
    unrun.swap(jobs_);
    scheduled_ = false;
}

// One job a turn, so that a busy owner does not keep the others waiting.
void JobSequence::run_next() {
    std::function<void()> job;
    {
        std::lock_guard lock(mutex_);
        job = std::move(jobs_.front());
        jobs_.pop_front();
    }
    run_guarded(job);
    job = nullptr;
    {
        std::lock_guard lock(mutex_);
        scheduled_ = !jobs_.empty();
        if (!scheduled_) return;
    }
    schedule();
}

}  // namespace hone::serve
