#include "cli/bench/foreign_load.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/topology.h"

namespace hone::cli {
namespace {

double seconds_of(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Of this process, of its children that have ended, and of one that runs.
double process_seconds(pid_t child) {
    clockid_t clock{};
    const bool has_child = child > 0 && clock_getcpuclockid(child, &clock) == 0;
    rusage children{};
    getrusage(RUSAGE_CHILDREN, &children);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID) + (has_child ? seconds_of(clock) : 0) + seconds(children.ru_utime) +
           seconds(children.ru_stime);
}

// The second number of a thread's schedstat: nanoseconds on a run queue.
double waited_seconds(const std::string& process) {
    double waited = 0;
    std::error_code failure;
    for (const auto& thread : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process), failure)) {
        double ran = 0, own = 0;
        if (std::ifstream(thread.path() / "schedstat") >> ran >> own) waited += own;
    }
    return 1e-9 * waited;
}

// Whether the kernel counts how long threads wait: it has run this one for a while.
bool has_schedstat() {
    double ran = 0;
    return std::ifstream("/proc/self/schedstat") >> ran && ran > 0;
}

}  // namespace

CpuTicks cpu_ticks(std::string_view proc_stat, std::span<const int> cpus) {
    CpuTicks ticks;
    std::istringstream lines{std::string(proc_stat)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string name;
        double user = 0, nice = 0, system = 0, idle = 0, disk = 0, interrupts = 0, soft_interrupts = 0, stolen = 0;
        fields >> name >> user >> nice >> system >> idle >> disk >> interrupts >> soft_interrupts >> stolen;
        if (!name.starts_with("cpu") || name == "cpu") continue;
        if (std::ranges::none_of(cpus, [&](int cpu) { return name == fmt::format("cpu{}", cpu); })) continue;
        ticks.busy += user + nice + system + interrupts + soft_interrupts + stolen;
        ticks.stolen += stolen;
    }
    return ticks;
}

ForeignShare foreign_share(const LoadReading& before, const LoadReading& after, double cpus, double tick) {
    const double total = cpus * (after.wall - before.wall), slack = cpus * tick;
    if (!(total > 0)) return {};
    const double stolen = after.stolen - before.stolen;
    double others = after.busy - before.busy - (after.own - before.own);
    // Some kernels count what was stolen from us as our own time, so that the difference would hide it.
    if (stolen > 0) others = std::max(others, stolen);
    const double least = std::max(0.0, others - slack), most = std::max(0.0, others + slack);
    return {least / total, std::clamp(after.waited - before.waited, least, most) / total, most / total};
}

bool is_clean(const ForeignShare& repetition, const ForeignShare& row) {
    return row.least <= kForeignShare ? repetition.likely <= kForeignShare : repetition.most <= kForeignShare;
}

ForeignLoad::ForeignLoad(pid_t child)
    : cpus_(usable_cpus()), child_(child), tick_(1.0 / static_cast<double>(sysconf(_SC_CLK_TCK))) {
    is_known_ = has_schedstat() && read().busy > 0;
}

LoadReading ForeignLoad::read() const {
    std::ostringstream text;
    text << std::ifstream("/proc/stat").rdbuf();
    const CpuTicks ticks = cpu_ticks(text.str(), cpus_);
    return {.wall = monotonic_seconds(),
            .busy = tick_ * ticks.busy,
            .own = process_seconds(child_),
            .waited = waited_seconds("self") + (child_ > 0 ? waited_seconds(std::to_string(child_)) : 0),
            .stolen = tick_ * ticks.stolen};
}

ForeignShare ForeignLoad::share(const LoadReading& before, const LoadReading& after) const {
    return is_known_ ? foreign_share(before, after, static_cast<double>(cpus_.size()), tick_) : ForeignShare{};
}

}  // namespace hone::cli
