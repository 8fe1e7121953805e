#include "cli/bench/machine_limits.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/clock.h"

namespace hone::cli {
namespace {

constexpr double kSampleSeconds = 0.005;
constexpr int kTilesPerThread = 16;  // so that a thread that was held up leaves its share to the others

// One word of every cache line, asked for 64 lines ahead: what the memory delivers, not what a core can add up.
void read_lines(const std::byte* data, size_t bytes) {
    uint64_t sum = 0;
    for (size_t at = 0; at < bytes; at += 64) {
        __builtin_prefetch(data + at + 4096);
        uint64_t word;
        std::memcpy(&word, data + at, sizeof word);
        sum += word;
    }
    asm volatile("" : "+r"(sum));  // the sum is used, so the reads are made
}

// Turns of the loop that take a tile's share of a sample on one thread.
int64_t turns_of_a_tile(const math::GemmKernels::Peak& peak) {
    constexpr int64_t kTrial = 500;
    double least = HUGE_VAL;
    for (int i = 0; i < 3; i++) {
        const double started = monotonic_seconds();
        peak.loop.run(kTrial);
        least = std::min(least, monotonic_seconds() - started);
    }
    return std::max<int64_t>(1, std::lround(kTrial * kSampleSeconds / kTilesPerThread / std::max(least, 1e-9)));
}

}  // namespace

size_t uncached_bytes(int threads) {
    return std::max(size_t{256} << 20, (size_t{32} << 20) * static_cast<size_t>(threads));
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
    return values[values.size() / 2];
}

MachineLimits between(const MachineLimits& a, const MachineLimits& b) {
    MachineLimits mean;
    for (size_t i = 0; i < kLimits; i++) mean.rates[i] = (a.rates[i] + b.rates[i]) / 2;
    return mean;
}

double Work::amount(Limit limit) const {
    const double amounts[kLimits] = {i8_ops, bf16_ops, f32_ops, bytes};
    return amounts[static_cast<size_t>(limit)];
}

double Work::seconds(const MachineLimits& limits) const {
    double compute = 0;
    for (const Limit limit : {Limit::i8, Limit::bf16, Limit::f32}) {
        if (amount(limit) > 0) compute += amount(limit) / limits[limit];
    }
    return bytes > 0 ? std::max(compute, bytes / limits[Limit::read]) : compute;
}

Result<LimitMeter> LimitMeter::create(ThreadPool& pool, const math::KernelTable& kernels) {
    auto memory = HugeMemory::allocate(uncached_bytes(pool.threads()));
    if (!memory) return memory.error().within("measuring the memory's rate");
    std::memset(memory->data(), 1, memory->size());
    return LimitMeter(pool, kernels, std::move(*memory));
}

LimitMeter::LimitMeter(ThreadPool& pool, const math::KernelTable& kernels, HugeMemory memory)
    : pool_(pool), memory_(std::move(memory)) {
    const math::GemmKernels::Peak peaks[] = {kernels.gemm.peak_i8, kernels.gemm.peak_bf16, kernels.gemm.peak_f32};
    for (size_t i = 0; i < peaks_.size(); i++) peaks_[i] = {peaks[i], turns_of_a_tile(peaks[i])};
}

double LimitMeter::peak(Limit limit) {
    const Peak& own = peaks_[static_cast<size_t>(limit)];
    const int64_t tiles = int64_t{pool_.threads()} * kTilesPerThread;
    const double started = monotonic_seconds();
    pool_.parallel_for(tiles, [&](int64_t, int) { own.peak.loop.run(own.turns); });
    const double seconds = monotonic_seconds() - started;
    return static_cast<double>(tiles * own.turns) * own.peak.operations / seconds;
}

double LimitMeter::read() {
    constexpr size_t kPart = size_t{1} << 20;
    const double started = monotonic_seconds();
    pool_.parallel_for(static_cast<int64_t>(memory_.size() / kPart), [&](int64_t part, int) {
        read_lines(memory_.data() + kPart * static_cast<size_t>(part), kPart);
    });
    return static_cast<double>(memory_.size()) / (monotonic_seconds() - started);
}

double LimitMeter::sample(Limit limit) {
    return limit == Limit::read ? read() : peak(limit);
}

MachineLimits LimitMeter::sample(const Work& work) {
    MachineLimits limits;
    for (const Limit limit : {Limit::i8, Limit::bf16, Limit::f32, Limit::read}) {
        if (work.amount(limit) > 0) limits[limit] = sample(limit);
    }
    return limits;
}

void LimitMeter::record(const MachineLimits& rates, bool is_clean) {
    for (size_t i = 0; i < kLimits; i++) {
        if (rates.rates[i] > 0) (is_clean ? clean_ : disturbed_)[i].push_back(rates.rates[i]);
    }
}

MachineLimits LimitMeter::medians() {
    MachineLimits limits;
    for (const Limit limit : {Limit::i8, Limit::bf16, Limit::f32, Limit::read}) {
        const auto i = static_cast<size_t>(limit);
        std::vector<double> samples = clean_[i].empty() ? disturbed_[i] : clean_[i];
        if (samples.empty()) samples = {sample(limit), sample(limit), sample(limit)};
        limits[limit] = median(std::move(samples));
    }
    return limits;
}

}  // namespace hone::cli
