// What every op is given: threads, scratch and kernels. Passed down, never fetched; used by one thread at a time.
#pragma once

#include "base/thread_pool.h"
#include "math/kernels/kernel_table.h"
#include "math/quant/weight.h"
#include "math/tensor/workspace.h"

namespace hone::math {

class PhaseClock;  // phase_clock.h

struct OpContext {
    ThreadPool& pool;
    Workspace& workspace;
    const KernelTable& kernels;
    NumericClass int4_class = NumericClass::i8g32;  // the chain for INT4 weights
    PhaseClock* phases = nullptr;                   // null: nobody asks where the time goes
};

}  // namespace hone::math
