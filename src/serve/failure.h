// Why the server can no longer give right answers, once it cannot: a damaged weight was found. Set once, by any thread;
// read by any thread.
#pragma once

#include <atomic>
#include <string>

namespace hone::serve {

class Failure {
  public:
    // The first message counts.
    void set(std::string message) {
        if (claimed_.exchange(true)) return;
        message_ = std::move(message);
        is_set_.store(true, std::memory_order_release);
    }
    // Null while all is well.
    const std::string* message() const { return is_set_.load(std::memory_order_acquire) ? &message_ : nullptr; }

  private:
    std::atomic<bool> claimed_{false}, is_set_{false};
    std::string message_;
};

}  // namespace hone::serve
