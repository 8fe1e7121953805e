// What this machine can do at this moment: the limits that benchmark results are fractions of. Other work on the machine
// slows limits and workloads alike, so limits are sampled beside every repetition of a workload, by the threads that
// run it. For the thread that owns the pool.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/huge_pages.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "math/kernels/kernel_table.h"

namespace hone::cli {

enum class Limit : uint8_t { i8, bf16, f32, read };
inline constexpr int kLimits = 4;

// Rates a second of all threads; 0 where not measured. Operations are those of the class's dot instruction on registers,
// a multiplication and an addition counting as two; read is bytes of memory larger than the caches.
struct MachineLimits {
    std::array<double, kLimits> rates{};

    double operator[](Limit limit) const { return rates[static_cast<size_t>(limit)]; }
    double& operator[](Limit limit) { return rates[static_cast<size_t>(limit)]; }
};

// The mean of two samples of the same limits.
MachineLimits between(const MachineLimits& a, const MachineLimits& b);

// What something costs: operations of each class, and bytes that must come from memory.
struct Work {
    double i8_ops = 0, bf16_ops = 0, f32_ops = 0, bytes = 0;

    double amount(Limit limit) const;
    // The least seconds that the limits allow: all operations, or all bytes, whichever takes longer. 0 of no work.
    double seconds(const MachineLimits& limits) const;
};

class LimitMeter {
  public:
    // Both outlive the meter, which keeps memory_bytes(). Errors: no memory.
    static Result<LimitMeter> create(ThreadPool& pool, const math::KernelTable& kernels);

    // One sample of one limit, some 5 ms.
    double sample(Limit limit);
    // One sample of each limit that this work meets.
    MachineLimits sample(const Work& work);
    // Notes rates, but those that are 0, for medians().
    void record(const MachineLimits& rates, bool is_clean);
    // The medians of what was recorded as clean; of a limit with nothing clean, of all that was recorded; of one with
    // nothing at all, of a few samples taken now.
    MachineLimits medians();

    size_t memory_bytes() const { return memory_.size(); }
    ThreadPool& pool() const { return pool_; }

  private:
    LimitMeter(ThreadPool& pool, const math::KernelTable& kernels, HugeMemory memory);
    double peak(Limit limit);
    double read();

    ThreadPool& pool_;
    HugeMemory memory_;
    struct Peak {
        math::GemmKernels::Peak peak;
        int64_t turns = 0;  // in a tile of the pool's
    };
    std::array<Peak, kLimits - 1> peaks_;
    std::array<std::vector<double>, kLimits> clean_, disturbed_;
};

// Bytes that no cache holds, read by so many threads.
size_t uncached_bytes(int threads);

// The middle of some values, at least one.
double median(std::vector<double> values);

}  // namespace hone::cli
