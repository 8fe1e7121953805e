// One thread pool for two threads in turns: the host, who owns it and whose work comes first, and a guest with long work
// that runs in pieces, in the time that the host gives it. The guest has a ThreadPool made from these turns: its loops stop
// between two tiles when the time is over and go on in the next turn; which turn computes a tile never changes a result.
// One guest at a time. Outlives both.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "base/function_ref.h"
#include "base/thread_pool.h"

namespace hone {

// Thrown on the guest's thread where it waits for a turn and there will be none.
struct Dismissed {};

class Turns {
  public:
    // Host: from here on a guest may come. `wake` is called on the guest's thread when it begins to wait for a turn.
    void open(ThreadPool& pool, std::function<void()> wake);
    // Any thread: the guest needs no more turns but for what it does not leave half done (hold()); where it waits for one
    // otherwise, now or later, Dismissed is thrown.
    void dismiss();
    // Host: no guest waits or computes any more (checked).
    void close();
    // Host: a guest waits for a turn.
    bool wanted() const { return wanted_.load(std::memory_order_acquire); }
    // Host, where wanted(). The guest computes for `seconds`, and for as long as the tiles take that it has begun then, or
    // until it leaves. The seconds that it took.
    double give(double seconds);

    // Guest: waits for open(), then for a turn; from here to leave() the guest computes in its turns only. What it does
    // outside (files, waiting) holds up nobody; a loop there is a visit of its own.
    void enter();
    void leave();
    bool entered() const { return entered_; }
    // Guest, between enter() and leave(): from here on Dismissed is not thrown, or again; turns are still waited for.
    void hold(bool holds);
    // Guest: every tile once, in as many turns as it takes. ThreadPool::parallel_for of the guest's pool.
    void run(int64_t tiles, FunctionRef<void(int64_t tile, int worker)> body);
    // Guest: waits for open(). Threads of the host's pool.
    int threads();

  private:
    bool over() const;
    // Hands the turn back and waits for the next.
    void pass();
    void wait_for_turn(std::unique_lock<std::mutex>& lock);

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    ThreadPool* pool_ = nullptr;  // while open
    std::function<void()> wake_;
    std::atomic<bool> wanted_ = false;
    bool guest_computes_ = false;
    bool dismissed_ = false, holds_ = false;
    bool entered_ = false;           // by the guest
    std::atomic<double> until_ = 0;  // monotonic seconds; end of the turn
};

// A guest's stay from here to the end of the scope; nothing where the pool is nobody else's, or within another visit.
class Visit {
  public:
    explicit Visit(ThreadPool& pool);
    ~Visit() {
        if (turns_) turns_->leave();
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

  private:
    Turns* turns_ = nullptr;
};

// What a guest does not leave half done, from here to the end of the scope, within a visit.
class Undivided {
  public:
    explicit Undivided(ThreadPool& pool) : turns_(pool.turns()) {
        if (turns_) turns_->hold(true);
    }
    ~Undivided() {
        if (turns_) turns_->hold(false);
    }
    Undivided(const Undivided&) = delete;
    Undivided& operator=(const Undivided&) = delete;

  private:
    Turns* turns_;
};

}  // namespace hone
