#include "base/topology.h"

#include <algorithm>
#include <fstream>
#include <string>

#include <sched.h>
#include <unistd.h>

#include "base/control_group.h"

namespace hone {

std::vector<int> usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cpus;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
        }
    }
    if (cpus.empty()) cpus.push_back(0);
    if (const auto limit = control_group_limits().cpus) {
        cpus.resize(std::min(cpus.size(), static_cast<size_t>(*limit)));
    }
    return cpus;
}

size_t physical_memory_bytes() {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGE_SIZE);
    const size_t machine = pages > 0 && size > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(size) : 0;
    const auto limit = control_group_limits().memory_bytes;
    return limit && (machine == 0 || *limit < machine) ? *limit : machine;
}

size_t available_memory_bytes() {
    size_t machine = 0;
    std::ifstream file("/proc/meminfo");
    std::string key, unit;
    for (size_t kib; file >> key >> kib >> unit;) {
        if (key == "MemAvailable:") machine = kib * 1024;
    }
    const auto left = control_group_limits().memory_free;
    if (!left) return machine;
    const size_t group = std::max(*left, size_t{1});  // 0 would be "unknown"
    return machine == 0 ? group : std::min(group, machine);
}

}  // namespace hone
