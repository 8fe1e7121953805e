// How many cores this process may compute on, and pinning a thread to one.
#pragma once

#include <cstddef>
#include <vector>

namespace hone {

// Logical CPUs in the process's affinity mask (a container's limit included), ascending.
std::vector<int> usable_cpus();

// Bytes of memory in the machine, and free for new use; 0 where the system does not say.
size_t physical_memory_bytes();
size_t available_memory_bytes();

void pin_this_thread(int cpu);

}  // namespace hone
