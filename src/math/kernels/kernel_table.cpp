#include "math/kernels/kernel_table.h"

#include "base/cpu_features.h"

namespace hone::math {

std::string_view name_of(Isa isa) {
    constexpr std::string_view kNames[] = {"reference", "avx2", "avx512"};
    return kNames[static_cast<size_t>(isa)];
}

// The reference is compiled with fused multiply-adds, in vector instructions where the compiler likes.
std::string_view requirements_of(Isa isa) {
    return isa == Isa::avx512 ? CpuFeatures::kAvx512Kernels : CpuFeatures::kAvx2Kernels;
}

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
        if (cpu_features().has_avx512_kernels()) {
            static const KernelTable avx512{Isa::avx512, avx512_gemm_kernels(), avx512_attention_kernels(),
                                            avx512_row_kernels()};
            runnable.push_back(&avx512);
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
    for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512}) {
        if (name_of(isa) != choice) continue;
        return error("kernels '{}' need {}, which this processor lacks; choose one of: {}", choice,
                     requirements_of(isa), names);
    }
    return error("unknown kernels '{}'; choose one of: {}", choice, names);
}

}  // namespace hone::math
