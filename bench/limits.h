// What the benchmarks of math/ are fractions of, measured beside them by the same threads: the rate of a class's dot
// instruction on registers, and of reading memory. For a program's main thread, which owns the pool.
#pragma once

#include <algorithm>
#include <cstring>
#include <ctime>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "math/kernels/gemm_kernels.h"

namespace hone::math {

// Of one value at least.
inline double median(std::vector<double> values) {
    std::ranges::nth_element(values, values.begin() + static_cast<int64_t>(values.size() / 2));
    return values[values.size() / 2];
}

struct Timed {
    double seconds;
    bool clean;  // every thread had a core all the time
};

// Time of body() on `threads` threads, the program's only ones: of one thread its processor time, which leaves out what
// other programs took; of several, by the clock on the wall.
inline Timed timed(int threads, FunctionRef<void()> body) {
    const auto processor_seconds = [] {
        timespec now{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
    };
    const double wall = monotonic_seconds(), processor = processor_seconds();
    body();
    const double wall_seconds = monotonic_seconds() - wall, used = processor_seconds() - processor;
    if (threads == 1) return {used, true};
    return {wall_seconds, used > 0.95 * threads * wall_seconds};
}

// Turns of a peak loop on every thread; a millisecond or so.
constexpr int64_t kPeakTurns = 200'000;

inline void run_peak(ThreadPool& pool, const GemmKernels::Peak& peak, int64_t turns) {
    pool.parallel_for(pool.threads(), [&](int64_t, int) { peak.loop.run(turns); });
}

// Operations a second of all threads.
inline double peak_rate(ThreadPool& pool, const GemmKernels::Peak& peak) {
    const double seconds = timed(pool.threads(), [&] { run_peak(pool, peak, kPeakTurns); }).seconds;
    return pool.threads() * static_cast<double>(kPeakTurns) * peak.operations / seconds;
}

// Reads a word of every cache line, asked for 64 lines ahead: what the memory delivers, not what a core can add up.
// Whole MiB only.
inline void read_memory(ThreadPool& pool, std::span<const std::byte> memory) {
    constexpr size_t kPart = size_t{1} << 20;
    pool.parallel_for(static_cast<int64_t>(memory.size() / kPart), [&](int64_t part, int) {
        uint64_t sum = 0;
        const std::byte* from = memory.data() + static_cast<size_t>(part) * kPart;
        for (const std::byte* line = from; line < from + kPart; line += 64) {
            __builtin_prefetch(line + 4096);
            uint64_t word;
            std::memcpy(&word, line, sizeof word);
            sum += word;
        }
        asm volatile("" : "+r"(sum));  // the sum is used, so the reads are made
    });
}

// Bytes a second of all threads.
inline double read_rate(ThreadPool& pool, std::span<const std::byte> memory) {
    return static_cast<double>(memory.size()) / timed(pool.threads(), [&] { read_memory(pool, memory); }).seconds;
}

}  // namespace hone::math
