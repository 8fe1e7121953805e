#include "cli/bench/stopwatch.h"

#include <algorithm>

#include "base/clock.h"

namespace hone::cli {

std::vector<Timing> Stopwatch::time(int repeats, const Work& needs, FunctionRef<void()> body) const {
    std::vector<Timing> timings;
    LoadReading load = load_.read();
    MachineLimits limits = meter_.sample(needs);
    for (int clean = 0; clean < repeats && std::ssize(timings) < 2 * repeats;) {
        const double started = monotonic_seconds();
        body();
        const double seconds = monotonic_seconds() - started;
        // A repetition's load is that of both its samples too; the one behind it is the next one's before it.
        const LoadReading load_behind = load_.read();
        const MachineLimits limits_behind = meter_.sample(needs);
        const bool is_clean = load_.is_clean(load, load_.read());
        timings.push_back({seconds, between(limits, limits_behind), is_clean});
        clean += is_clean;
        load = load_behind, limits = limits_behind;
    }
    return timings;
}

BenchRow Stopwatch::rate(std::string name, std::string unit, double amount, const Work& work, int repeats,
                         FunctionRef<void()> body) const {
    constexpr double kSeconds = 0.03;
    body();
    const double started = monotonic_seconds();
    body();
    const double once = monotonic_seconds() - started;
    const auto calls = static_cast<int>(std::clamp(kSeconds / std::max(once, 1e-9), 1.0, 1e5));
    std::vector<Repetition> repetitions;
    const auto timings = time(repeats, work, [&] {
        for (int i = 0; i < calls; i++) body();
    });
    for (const Timing& timing : timings) {
        repetitions.push_back({calls * amount / timing.seconds, amount / work.seconds(timing.limits), timing.is_clean});
    }
    return summarise(std::move(name), std::move(unit), repetitions);
}

}  // namespace hone::cli
