// Times a workload between samples of the machine's limits, and watches whether others used the machine meanwhile. For
// the thread that owns the pool.
#pragma once

#include <string>
#include <vector>

#include "base/function_ref.h"
#include "cli/bench/foreign_load.h"
#include "cli/bench/machine_limits.h"
#include "cli/bench/report.h"

namespace hone::cli {

struct Timing {
    double seconds = 0;
    MachineLimits limits;  // of just before and after
    bool is_clean = true;  // others took at most kForeignShare of the CPUs (foreign_load.h)
};

class Stopwatch {
  public:
    // `meter` outlives it.
    explicit Stopwatch(LimitMeter& meter) : meter_(meter) {}

    // Calls body() `repeats` times, and up to twice as often while fewer than that are clean. `needs` says which limits
    // are sampled, and recorded by the meter. The timings are in the order of the calls.
    std::vector<Timing> time(int repeats, const Work& needs, FunctionRef<void()> body) const;

    // A row of a body that always does the same: `amount` of the unit, which is one of a rate, and `work`. It is called
    // as often in a repetition as makes the clock precise.
    BenchRow rate(std::string name, std::string unit, double amount, const Work& work, int repeats,
                  FunctionRef<void()> body) const;

  private:
    LimitMeter& meter_;
    ForeignLoad load_;
};

}  // namespace hone::cli
