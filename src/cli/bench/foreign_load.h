// How much processor time others took while something was measured: other programs on the CPUs that this process may
// use, and the hypervisor (steal). The system counts busy CPUs in ticks of 10 ms, so a short interval is known to a tick
// a CPU only. Within that, the time that our own threads were ready but had to wait decides, which is exact but does not
// tell what a hypervisor took. The repetitions of a row therefore count only if the ticks over all of the row say that
// others took little, or the ticks of the one repetition alone prove it. Any thread.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace hone::cli {

// Seconds since an arbitrary start.
struct LoadReading {
    double wall = 0;
    double busy = 0;    // of the CPUs, interrupts and steal included, in whole ticks
    double own = 0;     // processor time of this process, of the children that it waited for, and of a running one
    double waited = 0;  // of this process's threads and that child's, ready to run
    double stolen = 0;  // of the CPUs, by the hypervisor, in whole ticks
};

// The part of its CPUs' time that others took in an interval, as far as ticks tell.
struct ForeignShare {
    double least = 0, likely = 0, most = 0;
};

// `tick`: seconds that the busy time of one CPU may be off.
ForeignShare foreign_share(const LoadReading& before, const LoadReading& after, double cpus, double tick);

// The most that others may take of what counts.
inline constexpr double kForeignShare = 0.05;

// Whether a repetition counts, given the load of its whole row.
bool is_clean(const ForeignShare& repetition, const ForeignShare& row);

class ForeignLoad {
  public:
    // Over the CPUs that this process may use. `child`: a running one that counts as ours; 0: none.
    explicit ForeignLoad(pid_t child = 0);

    // Whether the system tells busy and waiting times. Where it does not, every share is 0.
    bool is_known() const { return is_known_; }
    LoadReading read() const;
    ForeignShare share(const LoadReading& before, const LoadReading& after) const;

  private:
    std::vector<int> cpus_;
    pid_t child_;
    double tick_;
    bool is_known_;
};

// Ticks of some CPUs from the text of /proc/stat; 0 where it does not tell.
struct CpuTicks {
    double busy = 0, stolen = 0;  // busy includes what was stolen
};
CpuTicks cpu_ticks(std::string_view proc_stat, std::span<const int> cpus);

}  // namespace hone::cli
