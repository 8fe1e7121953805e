// Comparing the tensors of a pack with their checksums while the model already runs: a thread of its own, of a priority
// at which it takes only processor time that nobody else wants. On its way it enters every page in the page tables and
// brings what is not in memory from the disk, in the order in which layers need it. The mapping outlives it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"

namespace hone::model {

// A tensor where it is mapped, and what its bytes must hash to.
struct TensorChecksum {
    std::string name;
    std::span<const std::byte> bytes;
    uint64_t xxh3 = 0;
};

// What is wrong with a pack, and what to do.
Error damaged_tensor(const std::string& path, const std::string& name, std::string_view how);

class BackgroundVerification {
  public:
    // `done` is called once on the thread, with the first damage (file, tensor, and what to do) or with success; not at
    // all if the verification is stopped before. `path` is for messages.
    BackgroundVerification(std::string path, std::vector<TensorChecksum> tensors, std::function<void(Status)> done);
    ~BackgroundVerification();  // stop(), and waits for the thread: milliseconds
    BackgroundVerification(const BackgroundVerification&) = delete;
    BackgroundVerification& operator=(const BackgroundVerification&) = delete;

    // Any thread; returns at once.
    void stop() { stopping_ = true; }

  private:
    void run();
    // Nothing if it was stopped.
    std::optional<Status> verify(const TensorChecksum& tensor);

    const std::string path_;
    std::vector<TensorChecksum> tensors_;
    const std::function<void(Status)> done_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace hone::model
