#include "base/thread_pool.h"

#include <immintrin.h>

#include "base/check.h"
#include "base/cpu_features.h"

namespace hone {

// Spinning this long before sleeping covers the gaps between the loops of one forward pass (some 20 microseconds), and
// is short enough that an idle server burns nothing.
constexpr int kSpins = 4000;

struct ThreadPool::Loop {
    int64_t tiles;
    FunctionRef<void(int64_t, int)> body;
    alignas(64) std::atomic<int64_t> next{0};
};

ThreadPool::ThreadPool(int threads) {
    CHECK_GE(threads, 1);
    for (int worker = 1; worker < threads; worker++) workers_.emplace_back([this, worker] { work(worker); });
    flush_denormals();
}

ThreadPool::~ThreadPool() {
    stopping_ = true;
    epoch_.fetch_add(1);
    epoch_.notify_all();
    for (auto& worker : workers_) worker.join();
}

void ThreadPool::take_tiles(Loop& loop, int worker) {
    for (int64_t tile; (tile = loop.next.fetch_add(1, std::memory_order_relaxed)) < loop.tiles;)
        loop.body(tile, worker);
}

void ThreadPool::parallel_for(int64_t tiles, FunctionRef<void(int64_t, int)> body) {
    if (tiles <= 0) return;
    if (workers_.empty() || tiles == 1) {
        for (int64_t tile = 0; tile < tiles; tile++) body(tile, 0);
        return;
    }
    Loop loop{tiles, body};
    busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    loop_.store(&loop, std::memory_order_release);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    take_tiles(loop, 0);
    for (int spins = 0;; spins++) {
        const int busy = busy_.load(std::memory_order_acquire);
        if (busy == 0) return;
        if (spins < kSpins)
            _mm_pause();
        else
            busy_.wait(busy);
    }
}

void ThreadPool::work(int worker) {
    flush_denormals();
    uint32_t seen = 0;
    for (;;) {
        uint32_t now = epoch_.load(std::memory_order_acquire);
        for (int spins = 0; now == seen; spins++) {
            if (spins < kSpins)
                _mm_pause();
            else
                epoch_.wait(seen);
            now = epoch_.load(std::memory_order_acquire);
        }
        seen = now;
        if (stopping_) return;
        take_tiles(*loop_.load(std::memory_order_acquire), worker);
        if (busy_.fetch_sub(1, std::memory_order_release) == 1) busy_.notify_one();
    }
}

}  // namespace hone
