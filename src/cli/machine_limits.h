// What this machine can do at this moment: the limits that benchmark results are fractions of. Other work on the machine
// slows limits and workloads alike, so limits are sampled between the workloads, not once.
#pragma once

#include <vector>

#include "base/huge_pages.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "math/kernels/kernel_table.h"

namespace hone::cli {

struct MachineLimits {
    // Operations a second of all threads, from the class's dot instruction on registers; a multiplication and an
    // addition count as two.
    double i8_ops = 0, bf16_ops = 0, f32_ops = 0;
    double read_bytes = 0;  // a second, all threads, streaming memory larger than the caches
};

class LimitMeter {
  public:
    // Both outlive the meter, which keeps 256 MiB a thread. Errors: no memory.
    static Result<LimitMeter> create(ThreadPool& pool, const math::KernelTable& kernels);

    // One sample of each, about 30 ms together.
    MachineLimits sample();
    // The medians of all samples so far, at least one.
    MachineLimits medians() const;

  private:
    LimitMeter(ThreadPool& pool, const math::KernelTable& kernels, HugeMemory memory)
        : pool_(pool), kernels_(kernels), memory_(std::move(memory)) {}
    double peak(const math::GemmKernels::Peak& peak);
    double read();

    ThreadPool& pool_;
    const math::KernelTable& kernels_;
    HugeMemory memory_;
    std::vector<MachineLimits> samples_;
};

// The middle of some values, at least one.
double median(std::vector<double> values);

}  // namespace hone::cli
