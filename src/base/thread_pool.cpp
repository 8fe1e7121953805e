#include "base/thread_pool.h"

#include <immintrin.h>

#include "base/check.h"
#include "base/cpu_features.h"
#include "base/turns.h"

namespace hone {

// Spinning this long before sleeping covers the gaps between the loops of one forward pass (some 20 microseconds), and
// is short enough that an idle server burns nothing.
constexpr int kSpins = 4000;

ThreadPool::ThreadPool(Turns& turns) : threads_(turns.threads()), turns_(&turns) {
    flush_denormals();
}

ThreadPool::ThreadPool(int threads) : threads_(threads) {
    CHECK_GE(threads, 1);
    for (int worker = 1; worker < threads; worker++) workers_.emplace_back([this, worker] { work(worker); });
    flush_denormals();
}

ThreadPool::~ThreadPool() {
    stopping_ = true;
    announced_.fetch_add(1);
    announced_.notify_all();
    for (auto& worker : workers_) worker.join();
}

void ThreadPool::take_tiles(int worker) {
    uint32_t taken = 0, tiles = 0;
    uint64_t ticket = ticket_.load(std::memory_order_acquire);
    for (;;) {
        tiles = tiles_.load(std::memory_order_acquire);
        const Body* body = body_.load(std::memory_order_acquire);
        const auto tile = static_cast<uint32_t>(ticket);
        if (tile >= tiles) break;  // none left, or closed
        if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel, std::memory_order_acquire))
            continue;
        (*body)(tile, worker);
        taken++;
        ticket = ticket_.load(std::memory_order_acquire);
    }
    // Until this is told the loop cannot end, so all tiles taken were of one loop.
    if (taken > 0 && done_.fetch_add(taken, std::memory_order_acq_rel) + taken == tiles) done_.notify_one();
}

void ThreadPool::parallel_for(int64_t tiles, Body body) {
    if (tiles <= 0) return;
    if (turns_) {
        const Visit visit(*this);
        return turns_->run(tiles, body);
    }
    if (workers_.empty() || tiles == 1) {
        for (int64_t tile = 0; tile < tiles; tile++) body(tile, 0);
        return;
    }
    CHECK_LT(tiles, int64_t{kClosed});
    const auto count = static_cast<uint32_t>(tiles);
    const uint64_t number = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
    ticket_.store(number << 32 | kClosed, std::memory_order_release);
    tiles_.store(count, std::memory_order_release);
    body_.store(&body, std::memory_order_release);
    done_.store(0, std::memory_order_relaxed);
    ticket_.store(number << 32, std::memory_order_release);
    announced_.fetch_add(1, std::memory_order_release);
    announced_.notify_all();

    take_tiles(0);
    for (int spins = 0;; spins++) {
        const uint32_t done = done_.load(std::memory_order_acquire);
        if (done == count) return;
        if (spins < kSpins)
            _mm_pause();
        else
            done_.wait(done);
    }
}

void ThreadPool::work(int worker) {
    flush_denormals();
    uint32_t seen = 0;
    for (;;) {
        uint32_t now = announced_.load(std::memory_order_acquire);
        for (int spins = 0; now == seen; spins++) {
            if (spins < kSpins)
                _mm_pause();
            else
                announced_.wait(seen);
            now = announced_.load(std::memory_order_acquire);
        }
        seen = now;
        if (stopping_) return;
        take_tiles(worker);
    }
}

}  // namespace hone
