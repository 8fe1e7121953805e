// What the processor and the operating system offer, read once with CPUID.
#pragma once

#include <string>
#include <string_view>

namespace hone {

struct CpuFeatures {
    bool avx2 = false, fma = false, bmi2 = false;
    bool avx512f = false, avx512bw = false, avx512vl = false, avx512dq = false, avx512vnni = false, avx512bf16 = false;

    // What three generations of kernels need, in words and as a test.
    static constexpr std::string_view kAvx2Kernels = "AVX2 FMA BMI2";
    static constexpr std::string_view kAvx512FmaKernels = "AVX2 FMA BMI2, AVX-512 F BW VL DQ VNNI";
    static constexpr std::string_view kAvx512Kernels = "AVX2 FMA BMI2, AVX-512 F BW VL DQ VNNI BF16";
    bool has_avx2_kernels() const { return avx2 && fma && bmi2; }
    bool has_avx512_fma_kernels() const {
        return has_avx2_kernels() && avx512f && avx512bw && avx512vl && avx512dq && avx512vnni;
    }
    bool has_avx512_kernels() const { return has_avx512_fma_kernels() && avx512bf16; }
};

const CpuFeatures& cpu_features();

// "AMD EPYC ..." or the like; "unknown" where the system does not say.
std::string cpu_model_name();

// Denormal inputs and results count as zero in this thread from here on (MXCSR DAZ and FTZ): part of the arithmetic of
// every numeric class, so every thread that computes calls it first.
void flush_denormals();

}  // namespace hone
