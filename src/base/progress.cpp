#include "base/progress.h"

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace hone {

constexpr double kTerminalPeriod = 0.1, kPlainPeriod = 5;  // seconds between lines

std::string format_bytes(double bytes) {
    const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    while (bytes >= 1024 && unit < 4) bytes /= 1024, unit++;
    return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string format_duration(double seconds) {
    if (seconds < 60) return fmt::format("{:.1f} s", seconds);
    const auto whole = static_cast<long>(seconds + 0.5);
    if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

static std::string format_amount(double amount, Progress::Unit unit) {
    if (unit == Progress::Unit::bytes) return format_bytes(amount);
    const char* suffix = unit == Progress::Unit::tokens ? " tokens" : "";
    return amount < 100 ? fmt::format("{:.3g}{}", amount, suffix) : fmt::format("{:.0f}{}", amount, suffix);
}

Progress::Progress(std::string what, uint64_t total, Unit unit, bool quiet, Clock clock)
    : what_(std::move(what)),
      total_(total),
      unit_(unit),
      quiet_(quiet),
      terminal_(isatty(STDERR_FILENO)),
      clock_(std::move(clock)),
      started_(clock_()),
      shown_(started_) {}

Progress::~Progress() {
    if (!finished_) write_line(fmt::format("{}: stopped at {}", what_, done_of_total()), true);
}

void Progress::advance(uint64_t amount) {
    done_ += amount;
    const double now = clock_();
    if (now - shown_ < (terminal_ ? kTerminalPeriod : kPlainPeriod)) return;
    shown_ = now;
    show();
}

void Progress::finish() {
    if (finished_) return;
    finished_ = true;
    write_line(fmt::format("{}: {}, {}/s, {}", what_, format_amount(static_cast<double>(done_), unit_),
                           format_amount(rate(), unit_), format_duration(clock_() - started_)),
               true);
}

std::string Progress::done_of_total() const {
    const std::string done = format_amount(static_cast<double>(done_), unit_);
    return total_ == 0 ? done : fmt::format("{} of {}", done, format_amount(static_cast<double>(total_), unit_));
}

double Progress::rate() const {
    const double seconds = clock_() - started_;
    return seconds > 0 ? static_cast<double>(done_) / seconds : 0;
}

void Progress::show() {
    std::string line = fmt::format("{}: {}", what_, done_of_total());
    if (total_ > 0) {
        line += fmt::format(" ({:.0f} %)", 100.0 * static_cast<double>(done_) / static_cast<double>(total_));
    }
    line += fmt::format(", {}/s", format_amount(rate(), unit_));
    if (total_ > done_ && rate() > 0) {
        line += fmt::format(", {} left", format_duration(static_cast<double>(total_ - done_) / rate()));
    }
    write_line(line, false);
}

void Progress::write_line(const std::string& line, bool last) {
    if (quiet_) return;
    fmt::print(stderr, "{}{}{}", terminal_ ? "\r\x1b[K" : "", line, terminal_ && !last ? "" : "\n");
    std::fflush(stderr);
}

}  // namespace hone
