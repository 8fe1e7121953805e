// Has the system commit memory a little before it is used: a thread of low priority that touches pages ahead of a mark.
// A first touch costs a page fault, on virtual machines up to milliseconds, which would else fall into somebody's
// latency. Contents are not changed. One owner; the memory outlives the object.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <span>
#include <thread>

namespace hone {

class PopulateAhead {
  public:
    // Keeps up to `ahead` bytes beyond the mark committed. The thread starts with the first mark.
    PopulateAhead(std::span<std::byte> memory, size_t ahead);
    ~PopulateAhead();  // at most a few milliseconds
    PopulateAhead(const PopulateAhead&) = delete;
    PopulateAhead& operator=(const PopulateAhead&) = delete;

    // The first `bytes` bytes are in use, or will be at once. Does not block.
    void mark(size_t bytes);
    // Bytes from the start that are committed or used, as far as the thread came.
    size_t populated() const { return populated_.load(std::memory_order_relaxed); }

  private:
    void run();

    const std::span<std::byte> memory_;
    const size_t ahead_;
    std::mutex mutex_;
    std::condition_variable changed_;
    size_t mark_ = 0;        // under mutex_
    bool stopping_ = false;  // under mutex_
    std::atomic<size_t> populated_ = 0;
    std::thread thread_;
};

}  // namespace hone
