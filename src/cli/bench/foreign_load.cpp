#include "cli/bench/foreign_load.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/topology.h"

namespace hone::cli {
namespace {

double process_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The second number of a thread's schedstat: nanoseconds on a run queue.
double waited_seconds() {
    double waited = 0;
    std::error_code failure;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", failure)) {
        double ran = 0, own = 0;
        if (std::ifstream(thread.path() / "schedstat") >> ran >> own) waited += own;
    }
    return 1e-9 * waited;
}

}  // namespace

double busy_ticks(std::string_view proc_stat, std::span<const int> cpus) {
    double busy = 0;
    std::istringstream lines{std::string(proc_stat)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string name;
        double user = 0, nice = 0, system = 0, idle = 0, disk = 0, interrupts = 0, soft_interrupts = 0, stolen = 0;
        fields >> name >> user >> nice >> system >> idle >> disk >> interrupts >> soft_interrupts >> stolen;
        if (!name.starts_with("cpu") || name == "cpu") continue;
        const bool is_ours = std::ranges::any_of(cpus, [&](int cpu) { return name == fmt::format("cpu{}", cpu); });
        if (is_ours) busy += user + nice + system + interrupts + soft_interrupts + stolen;
    }
    return busy;
}

double foreign_seconds(const LoadReading& before, const LoadReading& after, double slack) {
    const double others = after.busy - before.busy - (after.own - before.own);
    const double waited = after.waited - before.waited;
    return std::clamp(waited, std::max(0.0, others - slack), std::max(0.0, others + slack));
}

ForeignLoad::ForeignLoad() : cpus_(usable_cpus()), tick_(1.0 / static_cast<double>(sysconf(_SC_CLK_TCK))) {}

LoadReading ForeignLoad::read() const {
    std::ostringstream text;
    text << std::ifstream("/proc/stat").rdbuf();
    return {.wall = monotonic_seconds(),
            .busy = tick_ * busy_ticks(text.str(), cpus_),
            .own = process_seconds(),
            .waited = waited_seconds()};
}

bool ForeignLoad::is_clean(const LoadReading& before, const LoadReading& after) const {
    const auto cpus = static_cast<double>(cpus_.size());
    const double allowed = kForeignShare * cpus * (after.wall - before.wall);
    return foreign_seconds(before, after, tick_ * cpus) <= allowed;
}

}  // namespace hone::cli
