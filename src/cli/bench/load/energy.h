// What the processor's packages and memory used, as Intel's and AMD's RAPL counters tell through the powercap interface.
// One thread.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"

namespace hone::cli {

class EnergyMeter {
  public:
    // `root`: where the powercap zones are. The error says why there is nothing to read.
    static Result<EnergyMeter> open(const std::filesystem::path& root = "/sys/class/powercap");

    // Adds what was used since open() or the last sample. A counter runs over within minutes to hours, once of which is
    // noticed: sample at least every minute.
    void sample();
    double joules() const { return joules_; }  // until the last sample

  private:
    struct Zone {
        std::filesystem::path counter;
        double range = 0, last = 0;  // microjoules
    };
    std::vector<Zone> zones_;
    double joules_ = 0;
};

}  // namespace hone::cli
