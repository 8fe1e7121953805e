#include "cli/machine_limits.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"

namespace hone::cli {
namespace {

constexpr size_t kReadPart = size_t{256} << 20;  // bytes that each thread reads

// One word of every cache line, asked for 64 lines ahead: what the memory delivers, not what a core can add up.
uint64_t read_lines(const std::byte* data, size_t bytes) {
    uint64_t sum = 0;
    for (size_t at = 0; at < bytes; at += 64) {
        __builtin_prefetch(data + at + 4096);
        uint64_t word;
        std::memcpy(&word, data + at, sizeof word);
        sum += word;
    }
    return sum;
}

// Seconds of body(part) for each part on a thread of its own.
double seconds_on_all(ThreadPool& pool, FunctionRef<void(int64_t part)> body) {
    const double started = monotonic_seconds();
    pool.parallel_for(pool.threads(), [&](int64_t part, int) { body(part); });
    return monotonic_seconds() - started;
}

double median_of(const std::vector<MachineLimits>& samples, double MachineLimits::*field) {
    std::vector<double> values;
    for (const MachineLimits& sample : samples) values.push_back(sample.*field);
    return median(std::move(values));
}

}  // namespace

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
    return values[values.size() / 2];
}

Result<LimitMeter> LimitMeter::create(ThreadPool& pool, const math::KernelTable& kernels) {
    auto memory = HugeMemory::allocate(kReadPart * static_cast<size_t>(pool.threads()));
    if (!memory) return memory.error().within("measuring the memory's rate");
    std::memset(memory->data(), 1, memory->size());
    return LimitMeter(pool, kernels, std::move(*memory));
}

double LimitMeter::peak(const math::GemmKernels::Peak& peak) {
    constexpr int64_t kTurns = 200'000;
    const double seconds = seconds_on_all(pool_, [&](int64_t) { peak.loop.run(kTurns); });
    return pool_.threads() * static_cast<double>(kTurns) * peak.operations / seconds;
}

double LimitMeter::read() {
    std::vector<uint64_t> sums(static_cast<size_t>(pool_.threads()));
    const double seconds = seconds_on_all(pool_, [&](int64_t part) {
        sums[static_cast<size_t>(part)] = read_lines(memory_.data() + kReadPart * static_cast<size_t>(part), kReadPart);
    });
    CHECK(sums[0] > 0);  // the sums are used, so the reads are made
    return static_cast<double>(memory_.size()) / seconds;
}

MachineLimits LimitMeter::sample() {
    samples_.push_back({.i8_ops = peak(kernels_.gemm.peak_i8),
                        .bf16_ops = peak(kernels_.gemm.peak_bf16),
                        .f32_ops = peak(kernels_.gemm.peak_f32),
                        .read_bytes = read()});
    return samples_.back();
}

MachineLimits LimitMeter::medians() const {
    return {.i8_ops = median_of(samples_, &MachineLimits::i8_ops),
            .bf16_ops = median_of(samples_, &MachineLimits::bf16_ops),
            .f32_ops = median_of(samples_, &MachineLimits::f32_ops),
            .read_bytes = median_of(samples_, &MachineLimits::read_bytes)};
}

}  // namespace hone::cli
