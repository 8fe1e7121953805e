#include "math/kernels/kernel_table.h"

#include <algorithm>
#include <chrono>

#include "base/cpu_features.h"

namespace hone::math {

std::string_view name_of(Isa isa) {
    constexpr std::string_view kNames[] = {"reference", "avx2", "avx512_fma", "avx512"};
    return kNames[static_cast<size_t>(isa)];
}

// The reference is compiled with fused multiply-adds, in vector instructions where the compiler likes.
std::string_view requirements_of(Isa isa) {
    if (isa == Isa::avx512) return CpuFeatures::kAvx512Kernels;
    return isa == Isa::avx512_fma ? CpuFeatures::kAvx512FmaKernels : CpuFeatures::kAvx2Kernels;
}

namespace {

// Operations a nanosecond, the best of a few tries of some 20 microseconds.
double rate(const GemmKernels::Peak& peak) {
    constexpr int64_t kTurns = 2000;
    double best = 0;
    for (int i = 0; i < 8; i++) {
        const auto begin = std::chrono::steady_clock::now();
        peak.loop.run(kTurns);
        const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
        best = std::max(best, kTurns * peak.operations / time.count());
    }
    return best;
}

// AMD's VDPBF16PS is twice as fast as the two fused multiply-adds that it stands for, Intel's half as fast. A quarter of
// the time of these goes into widening.
bool prefers_fma(const KernelTable& fma, const KernelTable& avx512) {
    return 0.75 * rate(fma.gemm.peak_bf16) > rate(avx512.gemm.peak_bf16);
}

}  // namespace

std::vector<std::string_view> kernels_of(const KernelTable& table) {
    std::vector<std::string_view> kernels;
    const auto add = [&](const char* name) { kernels.emplace_back(name); };
    table.gemm.for_each_name(add);
    table.attention.for_each_name(add);
    table.rows.for_each_name(add);
    return kernels;
}

std::span<const KernelTable* const> runnable_kernel_tables() {
    // An ISA's folder is not entered, not even for its table, on a processor that lacks the ISA.
    static const std::vector<const KernelTable*> tables = [] {
        std::vector<const KernelTable*> runnable;
        if (cpu_features().has_avx2_kernels()) {
            static const KernelTable reference{Isa::reference, reference_gemm_kernels(), reference_attention_kernels(),
                                               reference_row_kernels()};
            static const KernelTable avx2{Isa::avx2, avx2_gemm_kernels(), avx2_attention_kernels(), avx2_row_kernels()};
            runnable = {&reference, &avx2};
        }
        if (cpu_features().has_avx512_fma_kernels()) {
            static const KernelTable fma{Isa::avx512_fma, avx512_fma::gemm_kernels(), avx512_fma::attention_kernels(),
                                         avx512_fma::row_kernels()};
            runnable.push_back(&fma);
            if (cpu_features().has_avx512_kernels()) {
                static const KernelTable avx512{Isa::avx512, avx512::gemm_kernels(), avx512::attention_kernels(),
                                                avx512::row_kernels()};
                runnable.insert(runnable.end() - (prefers_fma(fma, avx512) ? 1 : 0), &avx512);
            }
        }
        return runnable;
    }();
    return tables;
}

Result<const KernelTable*> select_kernels(std::string_view choice) {
    const auto runnable = runnable_kernel_tables();
    if (runnable.empty()) {
        return error("this processor ({}) lacks part of {}, which every kernel needs", cpu_model_name(),
                     CpuFeatures::kAvx2Kernels);
    }
    if (choice == "auto") return runnable.back();
    std::string names = "auto";
    for (const KernelTable* table : runnable) {
        if (name_of(table->isa) == choice) return table;
        names += fmt::format(", {}", name_of(table->isa));
    }
    for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512_fma, Isa::avx512}) {
        if (name_of(isa) != choice) continue;
        return error("kernels '{}' need {}, which this processor lacks; choose one of: {}", choice,
                     requirements_of(isa), names);
    }
    return error("unknown kernels '{}'; choose one of: {}", choice, names);
}

}  // namespace hone::math
