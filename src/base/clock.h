// Monotonic time in seconds, injectable so that schedulers can run on a fake clock.
#pragma once

#include <chrono>
#include <functional>

namespace hone {

// Seconds since an arbitrary start; never goes back.
inline double monotonic_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

using Clock = std::function<double()>;

}  // namespace hone
