#include "math/kernels/gemm_kernels.h"

#include <immintrin.h>

#include "math/kernels/cpu/avx2/gemm_lanes.h"
#include "math/kernels/cpu/gemm/bf16_bf16.h"
#include "math/kernels/cpu/gemm/bf16_int4g32.h"
#include "math/kernels/cpu/gemm/f32_f32.h"
#include "math/kernels/cpu/gemm/i8_int4g32.h"
#include "math/kernels/cpu/gemm/panel_loop.h"
#include "math/kernels/cpu/gemm/rows.h"
#include "math/kernels/cpu/gemm/transpose.h"
#include "math/kernels/cpu/prefetch_input.h"
#include "math/kernels/cpu/simd/lanes_avx2.h"
#include "math/quant/int8_g32.h"

namespace hone::math {
namespace {

using Lanes = Avx2GemmLanes;

int32_t lanes_below(int64_t count) {
    return count < 8 ? static_cast<int32_t>(count) : 8;
}

void prepare_bf16(const float* x, int64_t k, std::byte* lines, int64_t line_stride) {
    for (; k > 0; k -= 32, x += 32, lines += line_stride) {
        prefetch_input(x);
        prefetch_input(x + 16);
        for (int32_t i = 0; i < 32; i += 16) {
            const Avx2Lanes values{Lanes::load(x + i, lanes_below(k - i)),
                                   Lanes::load(x + i + 8, lanes_below(k - i - 8))};
            values.store(reinterpret_cast<bf16*>(lines + 2 * i));
        }
    }
}

template <class Combine>
int32_t across_lanes(__m256i x, Combine combine) {
    __m128i half = combine(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    half = combine(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(1, 0, 3, 2)));
    half = combine(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtsi128_si32(half);
}

template <ActivationFormat format>
__m256i int8_codes(__m256 x, float scale) {
    if (!(scale > 0)) return _mm256_setzero_si256();
    const __m256i codes = _mm256_cvtps_epi32(format == ActivationFormat::i8_p32
                                                 ? _mm256_mul_ps(x, _mm256_set1_ps(reciprocal_of_power(scale)))
                                                 : _mm256_div_ps(x, _mm256_set1_ps(scale)));
    return _mm256_min_epi32(_mm256_max_epi32(codes, _mm256_set1_epi32(-127)), _mm256_set1_epi32(127));
}

template <ActivationFormat format>
void prepare_int8(const float* x, int64_t k, std::byte* lines, int64_t line_stride) {
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
    const auto larger = [](__m128i a, __m128i b) { return _mm_max_epi32(a, b); };
    const auto sum = [](__m128i a, __m128i b) { return _mm_add_epi32(a, b); };
    for (; k > 0; k -= kGroup, x += kGroup, lines += line_stride) {
        prefetch_input(x);
        prefetch_input(x + 16);
        __m256 values[4];
        __m256i largest = _mm256_setzero_si256();
        for (int32_t i = 0; i < 4; i++) {
            values[i] = Lanes::load(x + 8 * i, lanes_below(k - 8 * i));
            const __m256i bits = _mm256_castps_si256(values[i]);
            largest = _mm256_max_epi32(largest, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
        }
        const float scale = int8_scale(format, static_cast<uint32_t>(across_lanes(largest, larger)));
        __m256i codes[4], total = _mm256_setzero_si256();
        for (int32_t i = 0; i < 4; i++) {
            codes[i] = int8_codes<format>(values[i], scale);
            total = _mm256_add_epi32(total, codes[i]);
        }
        // Packing works within halves: dword d then holds the four codes from 4 * {0, 2, 4, 6, 1, 3, 5, 7}[d].
        const __m256i packed =
            _mm256_packs_epi16(_mm256_packs_epi32(codes[0], codes[1]), _mm256_packs_epi32(codes[2], codes[3]));
        const __m256i ascending = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(lines), _mm256_shuffle_epi8(ascending, order));
        *reinterpret_cast<uint32_t*>(lines + kI8ScaleOffset) = int8_scale_field(format, scale);
        *reinterpret_cast<int32_t*>(lines + kI8StartOffset) = -8 * across_lanes(total, sum);
    }
}

// Twelve chains hide the latency of the instruction; the empty assembly hides what the operands are and keeps every
// turn.
template <class Register, Register (*instruction)(Register, Register)>
void peak(int64_t turns) {
    Register chains[12] = {}, operand = {};
    asm volatile("" : "+x"(operand));
    for (; turns > 0; turns--) {
#pragma GCC unroll 12
        for (Register& chain : chains) {
            chain = instruction(chain, operand);
            asm volatile("" : "+x"(chain));
        }
    }
}

__m256 peak_fma(__m256 chain, __m256 x) {
    return Lanes::fma(x, x, chain);
}
// The product of two constants would be taken out of the loop, so it is the chain that is multiplied.
__m256i peak_bytes(__m256i chain, __m256i x) {
    return Lanes::add_bytes(x, chain, x);
}

}  // namespace

const GemmKernels& avx2::gemm_kernels() {
    static constexpr GemmKernels kKernels{
        .f32_f32 = {"gemm_f32_f32__avx2", gemm<GemmF32F32, Lanes>},
        .bf16_bf16 = {"gemm_bf16_bf16__avx2", gemm<GemmBf16Bf16, Lanes>},
        .bf16_int4g32 = {"gemm_bf16_int4g32__avx2", gemm<GemmBf16Int4, Lanes>},
        .i8_int4g32 = {"gemm_i8_int4g32__avx2", gemm<GemmI8Int4, Lanes>},
        .i8p32_int4g32 = {"gemm_i8p32_int4g32__avx2", gemm<GemmI8P32Int4, Lanes>},
        .prepare_f32 = {"prepare_f32__avx2", prepare_f32<Lanes>},
        .prepare_bf16 = {"prepare_bf16__avx2", prepare_bf16},
        .prepare_i8g32 = {"prepare_i8g32__avx2", prepare_int8<ActivationFormat::i8_g32>},
        .prepare_i8p32 = {"prepare_i8p32__avx2", prepare_int8<ActivationFormat::i8_p32>},
        .tile_columns_f32 = {"tile_columns_f32__avx2", tile_columns_f32<Lanes>},
        .tile_columns_bf16 = {"tile_columns_bf16__avx2", tile_columns_bf16<Lanes>},
        .pack_columns_f32 = {"pack_columns_f32__avx2", pack_columns_f32<Lanes>},
        .pack_columns_bf16 = {"pack_columns_bf16__avx2", pack_columns_bf16<Lanes>},
        .transpose_f32 = {"transpose_f32__avx2", transpose_f32<Lanes>},
        .transpose_bf16 = {"transpose_bf16__avx2", transpose_bf16<Lanes>},
        .transpose_int4g32 = {"transpose_int4g32__avx2", transpose_int4g32<Lanes>},
        .weighted_sum = {"weighted_sum__avx2", weighted_sum<Lanes>},
        .dot = {"dot__avx2", dot<Avx2Lanes>},
        .peak_f32 = {{"peak_f32__avx2", peak<__m256, peak_fma>}, 12 * 16},
        .peak_bf16 = {{"peak_bf16__avx2", peak<__m256, peak_fma>}, 12 * 16},
        .peak_i8 = {{"peak_i8__avx2", peak<__m256i, peak_bytes>}, 12 * 64},
    };
    return kKernels;
}

}  // namespace hone::math
