// How many cores and how much memory this process may use, the limits of its container included
// (base/control_group.h). Any thread.
#pragma once

#include <cstddef>
#include <vector>

namespace hone {

// Logical CPUs in the process's affinity mask, ascending: the first ones if processor time is limited to fewer.
std::vector<int> usable_cpus();

// Bytes of memory in the machine or the container, and free for new use; 0 where the system does not say.
size_t physical_memory_bytes();
size_t available_memory_bytes();

}  // namespace hone
