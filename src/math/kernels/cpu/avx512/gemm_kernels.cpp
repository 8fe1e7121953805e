#include "math/kernels/gemm_kernels.h"

#include <immintrin.h>

#include "math/kernels/cpu/avx512/gemm_lanes.h"
#include "math/kernels/cpu/avx512/int4_transpose.h"
#include "math/kernels/cpu/gemm/bf16_bf16.h"
#include "math/kernels/cpu/gemm/bf16_int4g32.h"
#include "math/kernels/cpu/gemm/f32_f32.h"
#include "math/kernels/cpu/gemm/i8_int4g32.h"
#include "math/kernels/cpu/gemm/panel_loop.h"
#include "math/kernels/cpu/gemm/rows.h"
#include "math/kernels/cpu/gemm/transpose.h"
#include "math/kernels/cpu/prefetch_input.h"
#include "math/kernels/cpu/simd/lanes_avx512.h"
#include "math/quant/int8_g32.h"

namespace hone::math::HONE_AVX512 {
namespace {

using Lanes = Avx512GemmLanes;

__mmask16 lanes_below(int64_t count) {
    return count >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>(count <= 0 ? 0 : (1u << count) - 1);
}

void prepare_bf16(const float* x, int64_t k, std::byte* lines, int64_t line_stride) {
    for (; k > 0; k -= 32, x += 32, lines += line_stride) {
        prefetch_input(x);
        prefetch_input(x + 16);
        const __m512 low = _mm512_maskz_loadu_ps(lanes_below(k), x);
        const __m512 high = _mm512_maskz_loadu_ps(lanes_below(k - 16), x + 16);
        _mm512_storeu_si512(lines, rounded_to_bf16(low, high));
    }
}

template <ActivationFormat format>
__m512i int8_codes(__m512 x, float scale) {
    const __mmask16 lanes = scale > 0 ? 0xffff : 0;
    const __m512i codes = _mm512_maskz_cvtps_epi32(
        lanes, format == ActivationFormat::i8_p32 ? _mm512_mul_ps(x, _mm512_set1_ps(reciprocal_of_power(scale)))
                                                  : _mm512_div_ps(x, _mm512_set1_ps(scale)));
    return _mm512_min_epi32(_mm512_max_epi32(codes, _mm512_set1_epi32(-127)), _mm512_set1_epi32(127));
}

template <ActivationFormat format>
void prepare_int8(const float* x, int64_t k, std::byte* lines, int64_t line_stride) {
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
    for (; k > 0; k -= kGroup, x += kGroup, lines += line_stride) {
        prefetch_input(x);
        prefetch_input(x + 16);
        const __m512 low = _mm512_maskz_loadu_ps(lanes_below(k), x);
        const __m512 high = _mm512_maskz_loadu_ps(lanes_below(k - 16), x + 16);
        const __m512i largest = _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(low), magnitude),
                                                 _mm512_and_si512(_mm512_castps_si512(high), magnitude));
        const float scale = int8_scale(format, static_cast<uint32_t>(_mm512_reduce_max_epi32(largest)));
        const __m512i low_codes = int8_codes<format>(low, scale), high_codes = int8_codes<format>(high, scale);
        const int32_t start = -8 * _mm512_reduce_add_epi32(_mm512_add_epi32(low_codes, high_codes));
        const __m256i bytes = _mm256_set_m128i(_mm512_cvtepi32_epi8(high_codes), _mm512_cvtepi32_epi8(low_codes));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(lines), _mm256_shuffle_epi8(bytes, order));
        *reinterpret_cast<uint32_t*>(lines + kI8ScaleOffset) = int8_scale_field(format, scale);
        *reinterpret_cast<int32_t*>(lines + kI8StartOffset) = start;
    }
}

// Sixteen chains hide the latency of the instruction; the empty assembly hides what the operands are and keeps every
// turn.
template <class Register, Register (*instruction)(Register, Register)>
void peak(int64_t turns) {
    Register chains[16] = {}, operand = {};
    asm volatile("" : "+v"(operand));
    for (; turns > 0; turns--) {
#pragma GCC unroll 16
        for (Register& chain : chains) {
            chain = instruction(chain, operand);
            asm volatile("" : "+v"(chain));
        }
    }
}

__m512 peak_fma(__m512 chain, __m512 x) {
    return Lanes::fma(x, x, chain);
}
__m512 peak_pairs(__m512 chain, __m512 x) {
    return add_pair_products(chain, _mm512_castps_si512(x), _mm512_castps_si512(x));
}
__m512i peak_bytes(__m512i chain, __m512i x) {
    return Lanes::add_bytes(chain, x, x);
}

}  // namespace

const GemmKernels& gemm_kernels() {
    static constexpr GemmKernels kKernels{
        .f32_f32 = {"gemm_f32_f32__" HONE_AVX512_NAME, gemm<GemmF32F32, Lanes>},
        .bf16_bf16 = {"gemm_bf16_bf16__" HONE_AVX512_NAME, gemm<GemmBf16Bf16, Lanes>},
        .bf16_int4g32 = {"gemm_bf16_int4g32__" HONE_AVX512_NAME, gemm<GemmBf16Int4, Lanes>},
        .i8_int4g32 = {"gemm_i8_int4g32__" HONE_AVX512_NAME, gemm<GemmI8Int4, Lanes>},
        .i8p32_int4g32 = {"gemm_i8p32_int4g32__" HONE_AVX512_NAME, gemm<GemmI8P32Int4, Lanes>},
        .prepare_f32 = {"prepare_f32__" HONE_AVX512_NAME, prepare_f32<Lanes>},
        .prepare_bf16 = {"prepare_bf16__" HONE_AVX512_NAME, prepare_bf16},
        .prepare_i8g32 = {"prepare_i8g32__" HONE_AVX512_NAME, prepare_int8<ActivationFormat::i8_g32>},
        .prepare_i8p32 = {"prepare_i8p32__" HONE_AVX512_NAME, prepare_int8<ActivationFormat::i8_p32>},
        .tile_columns_f32 = {"tile_columns_f32__" HONE_AVX512_NAME, tile_columns_f32<Lanes>},
        .tile_columns_bf16 = {"tile_columns_bf16__" HONE_AVX512_NAME, tile_columns_bf16<Lanes>},
        .pack_columns_f32 = {"pack_columns_f32__" HONE_AVX512_NAME, pack_columns_f32<Lanes>},
        .pack_columns_bf16 = {"pack_columns_bf16__" HONE_AVX512_NAME, pack_columns_bf16<Lanes>},
        .transpose_f32 = {"transpose_f32__" HONE_AVX512_NAME, transpose_f32<Lanes>},
        .transpose_bf16 = {"transpose_bf16__" HONE_AVX512_NAME, transpose_bf16<Lanes>},
        .transpose_int4g32 = {"transpose_int4g32__" HONE_AVX512_NAME, Avx512Int4Transpose::run},
        .weighted_sum = {"weighted_sum__" HONE_AVX512_NAME, weighted_sum<Lanes>},
        .dot = {"dot__" HONE_AVX512_NAME, dot<Avx512Lanes>},
        .peak_f32 = {{"peak_f32__" HONE_AVX512_NAME, peak<__m512, peak_fma>}, 16 * 32},
        .peak_bf16 = {{"peak_bf16__" HONE_AVX512_NAME, peak<__m512, peak_pairs>}, 16 * 64},
        .peak_i8 = {{"peak_i8__" HONE_AVX512_NAME, peak<__m512i, peak_bytes>}, 16 * 128},
    };
    return kKernels;
}

}  // namespace hone::math::HONE_AVX512
