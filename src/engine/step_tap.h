// What the engine's steps do, for whoever looks on. While nobody does, the engine thread loads one flag a step; else it
// copies a record of fixed size into a buffer that is taken whole. It waits for nobody: what finds the buffer full, or being
// taken, is left out and counted. watch() and take() are for one other thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace hone::engine {

// Rows of a sequence that passed layers in a step.
struct StepPart {
    uint64_t sequence = 0;                // its request's id
    int32_t first_token = 0, tokens = 0;  // positions
    int32_t first_layer = 0, end_layer = 0;
    bool decodes = false;  // not of a prompt
    bool emits = false;    // a token was drawn behind them
};

// A step, or a turn of the guest (base/turns.h) without one. Times are monotonic seconds.
struct StepFacts {
    double begin = 0, seconds = 0;
    double guest_seconds = 0;  // of the turn that came next
    int32_t parts = 0;         // that were kept of it
};

class StepTap {
  public:
    static constexpr size_t kMostParts = 64;  // of a step, prompts first; more are not told
    static constexpr size_t kSteps = 1024, kParts = 8192;

    struct Batch {
        std::vector<StepFacts> steps;
        std::vector<StepPart> parts;  // of all steps, in their order
        uint64_t dropped = 0;         // steps that were left out
    };

    // Engine thread.
    bool watched() const { return watched_.load(std::memory_order_relaxed); }
    void record(StepFacts step, std::span<const StepPart> parts) {
        parts = parts.first(std::min(parts.size(), kMostParts));
        step.parts = static_cast<int32_t>(parts.size());
        std::unique_lock lock(mutex_, std::try_to_lock);
        const bool fits = lock && recorded_.steps.size() < recorded_.steps.capacity() &&
                          recorded_.parts.size() + parts.size() <= recorded_.parts.capacity();
        if (!fits) {
            dropped_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        recorded_.steps.push_back(step);
        recorded_.parts.insert(recorded_.parts.end(), parts.begin(), parts.end());
    }

    // Begins, or ends, with nothing recorded.
    void watch(bool watched) {
        Batch fresh;
        if (watched) make_room(fresh);
        {
            std::lock_guard lock(mutex_);
            std::swap(recorded_, fresh);
            dropped_ = 0;
        }
        watched_.store(watched, std::memory_order_relaxed);
    }
    // What was recorded since the last time, in place of what `batch` held.
    void take(Batch& batch) {
        batch.steps.clear();
        batch.parts.clear();
        make_room(batch);
        std::lock_guard lock(mutex_);
        std::swap(recorded_, batch);
        batch.dropped = dropped_.exchange(0, std::memory_order_relaxed);
    }

  private:
    static void make_room(Batch& batch) {
        batch.steps.reserve(kSteps);
        batch.parts.reserve(kParts);
    }

    std::atomic<bool> watched_ = false;
    std::atomic<uint64_t> dropped_ = 0;
    std::mutex mutex_;  // held for a swap, or for the copy of a record
    Batch recorded_;
};

}  // namespace hone::engine
