#include "cli/machine_limits.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/huge_pages.h"

namespace hone::cli {

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
    return values[values.size() / 2];
}

// Seconds of one call of body(worker) on every thread at once.
static double seconds_on_all(ThreadPool& pool, FunctionRef<void(int64_t part)> body) {
    const double started = monotonic_seconds();
    pool.parallel_for(pool.threads(), [&](int64_t part, int) { body(part); });
    return monotonic_seconds() - started;
}

static double peak_rate(ThreadPool& pool, const math::GemmKernels::Peak& peak, int repeats) {
    constexpr int64_t kTurns = 200'000;
    std::vector<double> rates;
    for (int i = 0; i < repeats; i++) {
        const double seconds = seconds_on_all(pool, [&](int64_t) { peak.loop.run(kTurns); });
        rates.push_back(pool.threads() * static_cast<double>(kTurns) * peak.operations / seconds);
    }
    return median(rates);
}

// Sums 8 bytes a time; four streams of a thread's part keep its memory pipeline full.
static uint64_t read_all(const std::byte* data, size_t bytes) {
    uint64_t sums[4] = {};
    const size_t quarter = bytes / 4 / 64 * 64;
    for (size_t at = 0; at < quarter; at += 64) {
        for (size_t stream = 0; stream < 4; stream++) {
            const auto* line = reinterpret_cast<const uint64_t*>(data + stream * quarter + at);
            for (int i = 0; i < 8; i++) sums[stream] += line[i];
        }
    }
    return sums[0] + sums[1] + sums[2] + sums[3];
}

static double read_rate(ThreadPool& pool, int repeats) {
    constexpr size_t kPart = size_t{128} << 20;
    auto memory = HugeMemory::allocate(kPart * static_cast<size_t>(pool.threads()));
    if (!memory) return 0;
    std::memset(memory->data(), 1, memory->size());
    std::vector<double> rates;
    std::vector<uint64_t> sums(static_cast<size_t>(pool.threads()));
    for (int i = 0; i < repeats; i++) {
        const double seconds = seconds_on_all(pool, [&](int64_t part) {
            sums[static_cast<size_t>(part)] += read_all(memory->data() + kPart * static_cast<size_t>(part), kPart);
        });
        rates.push_back(static_cast<double>(memory->size()) / seconds);
    }
    return sums[0] == 1 ? 0 : median(rates);  // the sum is used, so that the reads are made
}

MachineLimits measure_limits(ThreadPool& pool, const math::KernelTable& kernels, int repeats) {
    return {.i8_ops = peak_rate(pool, kernels.gemm.peak_i8, repeats),
            .bf16_ops = peak_rate(pool, kernels.gemm.peak_bf16, repeats),
            .f32_ops = peak_rate(pool, kernels.gemm.peak_f32, repeats),
            .read_bytes = read_rate(pool, repeats)};
}

}  // namespace hone::cli
