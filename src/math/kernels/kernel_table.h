// The kernels of one ISA. Kernels are leaves: raw pointers and integers in, no allocation, no threads they were not
// given. A folder per ISA fills its three tables (that of AVX-512 those of two); a table entry is {name, function}, the
// name being op_act_weight__isa in tests, benchmarks and profiles. Chosen once at start (select_kernels), immutable
// afterwards.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "math/kernels/attention_kernels.h"
#include "math/kernels/gemm_kernels.h"
#include "math/kernels/row_kernels.h"

namespace hone::math {

// avx512_fma has no instructions for bf16 and multiplies its pairs by fused multiply-adds.
enum class Isa { reference, avx2, avx512_fma, avx512 };

std::string_view name_of(Isa isa);          // "reference", "avx2", "avx512_fma", "avx512"
std::string_view requirements_of(Isa isa);  // what the processor must have: "AVX2 FMA BMI2"

struct KernelTable {
    Isa isa;
    GemmKernels gemm;            // matrix products and the packing of their activations
    AttentionKernels attention;  // scores, softmax and values over cache pages
    RowKernels rows;             // norms, rotary, activations, router, log-probabilities: one row at a time
};

// The names of the table's kernels: "gemm_i8_int4g32__avx512" and so on.
std::vector<std::string_view> kernels_of(const KernelTable& table);

// Every table that this machine can run, slowest first: tests and benchmarks iterate it. Of the two of AVX-512 that is
// the one with slower products of bf16, measured once; all else takes as long.
std::span<const KernelTable* const> runnable_kernel_tables();

// The table to use: `choice` is "auto" (the fastest that runs), or an ISA's name. Errors: unknown name, or one that the
// processor cannot run (the message lists those that it can).
Result<const KernelTable*> select_kernels(std::string_view choice);

}  // namespace hone::math
