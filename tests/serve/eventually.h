// Waiting in tests for what other threads do.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace hone::serve {

// Whether the condition comes to hold within `seconds`.
inline bool eventually(const std::function<bool()>& condition, double seconds = 5) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

}  // namespace hone::serve
