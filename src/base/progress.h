// Progress of long work: what, how far, rate and time left. One line rewritten in place on a terminal, a plain line
// every few seconds elsewhere, nothing when quiet. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace hone {

class Progress {
  public:
    enum class Unit { bytes, tokens, items };

    // `total` in units; 0 when it is not known.
    Progress(std::string what, uint64_t total, Unit unit, bool quiet = false, Clock clock = monotonic_seconds);
    // Work that ends without finish() has failed: the last line says how far it came.
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void advance(uint64_t amount);
    // The work is done: writes the last line (total time and mean rate).
    void finish();

  private:
    void show();
    void write_line(const std::string& line, bool last);
    std::string done_of_total() const;
    double rate() const;

    std::string what_;
    uint64_t total_, done_ = 0;
    Unit unit_;
    bool quiet_, terminal_, finished_ = false;
    Clock clock_;
    double started_, shown_;
};

// "1.5 GiB", "12.3 MiB", "817 B".
std::string format_bytes(double bytes);
// "1:02:03", "2:03", "4.5 s".
std::string format_duration(double seconds);

}  // namespace hone
