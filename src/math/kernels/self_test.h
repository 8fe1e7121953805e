// A check of the arithmetic that the numeric classes rest on, made once at program start: some milliseconds.
#pragma once

#include "base/result.h"
#include "math/kernels/kernel_table.h"

namespace hone::math {

// Whether the table's matrix products give the reference's bits on small random matrices whose sums depend on the order
// of their terms and reach into the denormals: above all, that VDPBF16PS adds the odd element of a pair first. Flushes
// denormals in this thread. The error names the kernel.
Status self_test(const KernelTable& table);

// The last of the tables (slowest first, at least one) that passes its self-test; a warning is logged for each one that
// is passed over. Errors: none passes.
Result<const KernelTable*> fastest_sound(std::span<const KernelTable* const> tables);

}  // namespace hone::math
