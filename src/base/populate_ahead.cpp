#include "base/populate_ahead.h"

#include <algorithm>

#include <sys/resource.h>

namespace hone {

constexpr size_t kBlock = size_t{2} << 20;

// Adding nothing to a byte of every page commits it without changing what others write there at the same time. One fault
// at a time: madvise(MADV_POPULATE_WRITE) would hold the lock of all mappings while this thread, of the lowest priority,
// waits for a CPU, and whoever maps memory would wait for it.
static void touch(std::span<std::byte> block) {
    for (size_t i = 0; i < block.size(); i += 4096) {
        std::atomic_ref(reinterpret_cast<unsigned char&>(block[i])).fetch_add(0, std::memory_order_relaxed);
    }
}

PopulateAhead::PopulateAhead(std::span<std::byte> memory, size_t ahead) : memory_(memory), ahead_(ahead) {}

PopulateAhead::~PopulateAhead() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void PopulateAhead::mark(size_t bytes) {
    {
        const std::lock_guard lock(mutex_);
        if (bytes <= mark_) return;
        mark_ = bytes;
    }
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.notify_one();
}

void PopulateAhead::run() {
    setpriority(PRIO_PROCESS, 0, 19);  // of this thread
    size_t done = 0;
    for (;;) {
        {
            std::unique_lock lock(mutex_);
            const auto wanted = [&] { return std::min(memory_.size(), mark_ + ahead_); };
            changed_.wait(lock, [&] { return stopping_ || done < wanted(); });
            if (stopping_) return;
            done = std::max(done, std::min(mark_, memory_.size()) / kBlock * kBlock);  // in use: touched by its users
            if (done >= wanted()) continue;
        }
        const size_t bytes = std::min(kBlock, memory_.size() - done);
        touch(memory_.subspan(done, bytes));
        done += bytes;
        populated_.store(done, std::memory_order_relaxed);
    }
}

}  // namespace hone
