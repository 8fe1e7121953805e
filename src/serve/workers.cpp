#include "serve/workers.h"

#include <exception>
#include <new>

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
    std::function<void()> rejected;
    std::unique_lock lock(mutex_);
    jobs_.push_back(std::move(job));
    if (scheduled_) return;
    try {
        schedule(lock);
    } catch (const std::bad_alloc&) {
        rejected = std::move(jobs_.back());
        jobs_.pop_back();
        lock.unlock();
        throw;
    }
}

// After the pool's end the jobs go, without the lock and without memory.
void JobSequence::schedule(std::unique_lock<std::mutex>& lock) {
    scheduled_ = workers_->post([self = shared_from_this()] { self->run_next(); });
    if (scheduled_) return;
    while (!jobs_.empty()) {
        std::function<void()> unrun = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        unrun = nullptr;
        lock.lock();
    }
}

// One job a turn, so that a busy owner does not keep the others waiting; more where there is no memory to post the next.
void JobSequence::run_next() {
    for (;;) {
        std::function<void()> job;
        {
            std::lock_guard lock(mutex_);
            job = std::move(jobs_.front());
            jobs_.pop_front();
        }
        run_guarded(job);
        job = nullptr;
        std::unique_lock lock(mutex_);
        scheduled_ = !jobs_.empty();
        if (!scheduled_) return;
        try {
            return schedule(lock);
        } catch (const std::bad_alloc&) {
        }
    }
}

}  // namespace hone::serve
