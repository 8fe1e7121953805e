#include "base/turns.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/clock.h"

namespace hone {

void Turns::open(ThreadPool& pool, std::function<void()> wake) {
    {
        const std::lock_guard lock(mutex_);
        CHECK(pool_ == nullptr, "a second host");
        pool_ = &pool;
        wake_ = std::move(wake);
    }
    changed_.notify_all();
}

void Turns::close() {
    const std::lock_guard lock(mutex_);
    CHECK(!guest_computes_ && !wanted_, "the host leaves its guest behind");
    pool_ = nullptr;
    wake_ = nullptr;
}

double Turns::give(double seconds) {
    const double begin = monotonic_seconds();
    std::unique_lock lock(mutex_);
    if (!wanted_) return 0;  // dismissed
    until_ = begin + seconds;
    wanted_ = false;
    guest_computes_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !guest_computes_; });
    return monotonic_seconds() - begin;
}

void Turns::enter() {
    CHECK(!entered_, "the guest is there already");
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pool_ != nullptr || dismissed_; });
    wanted_ = !dismissed_;
    if (wake_) wake_();
    wait_for_turn(lock);
    entered_ = true;
}

void Turns::leave() {
    CHECK(entered_, "no guest");
    entered_ = false;
    const std::lock_guard lock(mutex_);
    guest_computes_ = false;
    changed_.notify_all();
}

void Turns::pass() {
    std::unique_lock lock(mutex_);
    guest_computes_ = false;
    wait_for_turn(lock);
}

void Turns::wait_for_turn(std::unique_lock<std::mutex>& lock) {
    wanted_ = !dismissed_ || holds_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return guest_computes_ || (dismissed_ && !holds_); });
    if (guest_computes_) return;
    wanted_ = false;
    throw Dismissed{};
}

void Turns::dismiss() {
    const std::lock_guard lock(mutex_);
    dismissed_ = true;
    if (!holds_) until_ = 0;
    changed_.notify_all();
}

void Turns::hold(bool holds) {
    CHECK(entered_, "no guest");
    const std::lock_guard lock(mutex_);
    holds_ = holds;
}

bool Turns::over() const {
    return monotonic_seconds() >= until_.load(std::memory_order_relaxed);
}

int Turns::threads() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pool_ != nullptr || dismissed_; });
    if (!pool_) throw Dismissed{};
    return pool_->threads();
}

void Turns::run(int64_t tiles, FunctionRef<void(int64_t tile, int worker)> body) {
    CHECK(entered_, "the guest computes outside of its turns");
    std::atomic<int64_t> next = 0;
    while (next < tiles) {
        if (over()) pass();
        const int64_t workers = std::min<int64_t>(pool_->threads(), tiles - next);
        pool_->parallel_for(workers, [&](int64_t, int worker) {
            do {
                const int64_t tile = next.fetch_add(1, std::memory_order_relaxed);
                if (tile >= tiles) return;
                body(tile, worker);
            } while (!over());
        });
    }
}

Visit::Visit(ThreadPool& pool) {
    Turns* const turns = pool.turns();
    if (!turns || turns->entered()) return;
    turns->enter();
    turns_ = turns;
}

}  // namespace hone
