#include "base/control_group.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace hone {

namespace {

namespace fs = std::filesystem;

// Version 1 writes the largest number of whole pages for "not limited", and -1 for a quota.
constexpr int64_t kUnlimited = int64_t{1} << 62;

// The numbers at the start of a file, at most `count`; empty if there is none, as in "max".
std::vector<int64_t> numbers_in(const fs::path& path, size_t count) {
    std::ifstream file(path);
    std::vector<int64_t> numbers;
    for (int64_t number; numbers.size() < count && file >> number;) numbers.push_back(number);
    return numbers;
}

// The sum of the named values of a file of lines "NAME VALUE".
int64_t sum_of(const fs::path& path, std::initializer_list<std::string_view> names) {
    std::ifstream file(path);
    std::string name;
    int64_t sum = 0;
    for (int64_t value; file >> name >> value;) {
        if (std::ranges::find(names, name) != names.end()) sum += value;
    }
    return sum;
}

template <class T>
void tighten(std::optional<T>& limit, T other) {
    limit = limit ? std::min(*limit, other) : other;
}

void add_cpu_limit(ControlGroupLimits& limits, int64_t quota, int64_t period) {
    constexpr int64_t kMostCpus = 1 << 20;
    if (quota <= 0 || period <= 0) return;
    tighten(limits.cpus, static_cast<int>(std::min((quota - 1) / period + 1, kMostCpus)));
}

void add_memory_limit(ControlGroupLimits& limits, const std::vector<int64_t>& most, const std::vector<int64_t>& used,
                      int64_t droppable) {
    if (most.empty() || most[0] < 0 || most[0] >= kUnlimited) return;
    tighten(limits.memory_bytes, static_cast<size_t>(most[0]));
    if (used.empty()) return;
    const int64_t kept = std::clamp<int64_t>(used[0] - droppable, 0, most[0]);
    tighten(limits.memory_free, static_cast<size_t>(most[0] - kept));
}

void add_group(ControlGroupLimits& limits, const fs::path& group) {
    if (const auto both = numbers_in(group / "cpu.max", 2); both.size() == 2) add_cpu_limit(limits, both[0], both[1]);
    const auto quota = numbers_in(group / "cpu.cfs_quota_us", 1), period = numbers_in(group / "cpu.cfs_period_us", 1);
    if (!quota.empty() && !period.empty()) add_cpu_limit(limits, quota[0], period[0]);
    add_memory_limit(limits, numbers_in(group / "memory.max", 1), numbers_in(group / "memory.current", 1),
                     sum_of(group / "memory.stat", {"inactive_file", "active_file"}));
    add_memory_limit(limits, numbers_in(group / "memory.limit_in_bytes", 1),
                     numbers_in(group / "memory.usage_in_bytes", 1),
                     sum_of(group / "memory.stat", {"total_inactive_file", "total_active_file"}));
}

}  // namespace

ControlGroupLimits control_group_limits(const fs::path& root) {
    const fs::path mounts = root / "sys/fs/cgroup";
    ControlGroupLimits limits;
    std::ifstream file(root / "proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {  // "ID:CONTROLLERS:PATH", without controllers for version 2
        const size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        // A container that sees only its own group sees it at the mount, whatever the path says.
        fs::path group = mounts / line.substr(first + 1, second - first - 1);
        add_group(limits, group);
        for (const fs::path& part : fs::path(line.substr(second + 1)).relative_path()) {
            if (part == "..") break;
            add_group(limits, group /= part);
        }
    }
    return limits;
}

}  // namespace hone
