#include "cli/bench/stopwatch.h"

#include <algorithm>

#include "base/clock.h"

namespace hone::cli {

std::vector<Timing> Stopwatch::time(int repeats, const Work& needs, FunctionRef<void()> body) const {
    std::vector<Timing> timings;
    std::vector<ForeignShare> shares;
    const LoadReading first = load_.read();
    LoadReading load = first;
    ForeignShare row;
    MachineLimits limits = meter_.sample(needs);
    for (int64_t clean = 0; clean < repeats && std::ssize(timings) < 2 * repeats;) {
        const double started = monotonic_seconds();
        body();
        const double seconds = monotonic_seconds() - started;
        // A repetition's load is that of both its samples too; the one behind it is the next one's before it.
        const LoadReading load_behind = load_.read();
        const MachineLimits limits_behind = meter_.sample(needs);
        const LoadReading last = load_.read();
        shares.push_back(load_.share(load, last));
        timings.push_back({.seconds = seconds, .limits = between(limits, limits_behind)});
        row = load_.share(first, last);
        clean = std::ranges::count_if(shares, [&](const ForeignShare& share) { return is_clean(share, row); });
        load = load_behind, limits = limits_behind;
    }
    for (size_t i = 0; i < timings.size(); i++) {
        timings[i].is_clean = is_clean(shares[i], row);
        meter_.record(timings[i].limits, timings[i].is_clean);
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
    return summarise(std::move(name), std::move(unit), repetitions, repeats);
}

}  // namespace hone::cli
