// What this machine can do, measured here and now: the limits that benchmark results are fractions of.
#pragma once

#include "base/thread_pool.h"
#include "math/kernels/kernel_table.h"

namespace hone::cli {

struct MachineLimits {
    double i8_ops = 0, bf16_ops = 0,
           f32_ops = 0;     // a second, all threads, from the class's dot instruction on registers
    double read_bytes = 0;  // a second, all threads, streaming memory larger than the caches
};

// The medians of `repeats` short measurements (about 30 ms each).
MachineLimits measure_limits(ThreadPool& pool, const math::KernelTable& kernels, int repeats = 5);

// The middle of some values, at least one.
double median(std::vector<double> values);

}  // namespace hone::cli
