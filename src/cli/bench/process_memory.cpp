#include "cli/bench/process_memory.h"

#include <cstdlib>
#include <fstream>
#include <string>

namespace hone::cli {

double status_bytes(std::string_view field) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field)) return 1024 * std::strtod(line.c_str() + field.size(), nullptr);
    }
    return 0;
}

void restart_peak() {
    std::ofstream("/proc/self/clear_refs") << "5";
}

}  // namespace hone::cli
