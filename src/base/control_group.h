// What the control groups (versions 1 and 2) that this process is in allow it: the limits of a container or a service.
// Read from the system's files at each call; any thread. What cannot be read counts as not limited.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>

namespace hone {

// The tightest of the limits of the group and of those around it.
struct ControlGroupLimits {
    std::optional<int> cpus;             // processor time as a number of CPUs, rounded up; at least 1
    std::optional<size_t> memory_bytes;  // most memory
    std::optional<size_t> memory_free;   // of that, not in use or taken by cached files that can be dropped
};

// `root` is where proc/self/cgroup and sys/fs/cgroup are looked for.
ControlGroupLimits control_group_limits(const std::filesystem::path& root = "/");

}  // namespace hone
