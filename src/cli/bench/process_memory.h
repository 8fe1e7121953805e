// What this process has in memory, as the system counts it. Free functions, any thread.
#pragma once

#include <string_view>

namespace hone::cli {

// A field of /proc/self/status in bytes, "VmHWM:"; 0 where the system does not tell.
double status_bytes(std::string_view field);

// VmHWM is the largest from here on. Does nothing where the system does not let it.
void restart_peak();

}  // namespace hone::cli
