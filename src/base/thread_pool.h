// A persistent pool that runs one parallel loop at a time over dynamic tiles. The caller is worker 0 and computes too.
// A loop ends with its last tile: a worker whose core does something else is waited for only if it holds a tile.
// Owned by one thread (the engine's or a tool's), which alone calls parallel_for. Every worker flushes denormals.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace hone {

class Turns;

class ThreadPool {
  public:
    // `threads` counts the caller: 1 starts no thread.
    explicit ThreadPool(int threads);
    // A guest's view of another pool (turns.h): no threads of its own. Waits for the host.
    explicit ThreadPool(Turns& turns);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const { return threads_; }
    Turns* turns() const { return turns_; }  // null: the pool is nobody else's
    // Its tiles should be short: the host's work waits for those that have begun.
    bool is_guest() const { return turns_ != nullptr; }

    // Runs body(tile, worker) once for every tile in [0, tiles), in any order and on any worker in [0, threads());
    // returns when all are done. Fewer than 2^32 - 1 tiles. Which worker takes which tile never changes a result.
    void parallel_for(int64_t tiles, FunctionRef<void(int64_t tile, int worker)> body);

  private:
    using Body = FunctionRef<void(int64_t tile, int worker)>;
    void work(int worker);
    void take_tiles(int worker);

    int threads_;
    Turns* turns_ = nullptr;  // of a guest
    std::vector<std::thread> workers_;
    std::atomic<uint32_t> announced_{0};  // a new loop, or the end, is announced by a new value
    std::atomic<bool> stopping_{false};

    // The current loop. Its number and its next tile are one word, so that a worker that comes late takes no tile of a
    // loop other than the one whose tiles_ and body_ it has read; they change only while the word says kClosed.
    static constexpr uint32_t kClosed = ~uint32_t{0};
    alignas(64) std::atomic<uint64_t> ticket_{kClosed};
    std::atomic<uint32_t> tiles_{0};
    std::atomic<const Body*> body_{nullptr};
    alignas(64) std::atomic<uint32_t> done_{0};  // tiles of the current loop
};

}  // namespace hone
