// How much processor time others took while something was measured: other programs on the CPUs that this process may
// use, and the hypervisor (steal). The system counts busy CPUs in ticks of 10 ms, so a short interval is known to a few
// ticks only; within them, the time that our own threads were ready but had to wait decides, which is exact. Any thread.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace hone::cli {

// Seconds since an arbitrary start.
struct LoadReading {
    double wall = 0;
    double busy = 0;    // of the CPUs, interrupts and steal included, in whole ticks
    double own = 0;     // processor time of this process
    double waited = 0;  // of this process's threads, ready to run
};

// The most of its CPUs' time that others may take from a repetition that counts.
inline constexpr double kForeignShare = 0.05;

class ForeignLoad {
  public:
    ForeignLoad();  // over the CPUs that this process may use

    LoadReading read() const;
    // Whether others took at most kForeignShare between the readings.
    bool is_clean(const LoadReading& before, const LoadReading& after) const;

  private:
    std::vector<int> cpus_;
    double tick_;
};

// Seconds that others took; `slack` is how far `busy` may be off.
double foreign_seconds(const LoadReading& before, const LoadReading& after, double slack);

// Busy ticks of some CPUs from the text of /proc/stat; 0 where it does not tell.
double busy_ticks(std::string_view proc_stat, std::span<const int> cpus);

}  // namespace hone::cli
