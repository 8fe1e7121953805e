#include "math/kernels/kernel_table.h"

#include <algorithm>
#include <chrono>
#include <limits>

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

// What the kernels reach of their peak with widened pairs; the rest of the time they widen.
constexpr double kShareWithWidening = 0.75;

// Nanoseconds an operation.
double time_of(const GemmKernels::Peak& peak) {
    constexpr int64_t kTurns = 2000;  // some 20 microseconds
    const auto begin = std::chrono::steady_clock::now();
    peak.loop.run(kTurns);
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
    return time.count() / (kTurns * peak.operations);
}

// AMD's VDPBF16PS is twice as fast as the two fused multiply-adds that it stands for, Intel's half as fast.
bool has_slow_pairs(const KernelTable& avx512, const KernelTable& fma) {
    constexpr int kTries = 8;
    double pairs = std::numeric_limits<double>::infinity(), widened = pairs;
    for (int i = 0; i < kTries; i++) {  // by turns: the clock may change
        pairs = std::min(pairs, time_of(avx512.gemm.peak_bf16));
        widened = std::min(widened, time_of(fma.gemm.peak_bf16));
    }
    return widened < kShareWithWidening * pairs;
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
            static const KernelTable reference{Isa::reference, reference::gemm_kernels(),
                                               reference::attention_kernels(), reference::row_kernels()};
            static const KernelTable avx2{Isa::avx2, avx2::gemm_kernels(), avx2::attention_kernels(),
                                          avx2::row_kernels()};
            runnable = {&reference, &avx2};
        }
        if (cpu_features().has_avx512_fma_kernels()) {
            static const KernelTable fma{Isa::avx512_fma, avx512_fma::gemm_kernels(), avx512_fma::attention_kernels(),
                                         avx512_fma::row_kernels()};
            runnable.push_back(&fma);
        }
        if (cpu_features().has_avx512_kernels()) {
            static const KernelTable avx512{Isa::avx512, avx512::gemm_kernels(), avx512::attention_kernels(),
                                            avx512::row_kernels()};
            runnable.push_back(&avx512);
            const auto last = runnable.end() - 1;
            if (has_slow_pairs(**last, **(last - 1))) std::swap(*last, *(last - 1));
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
