// bf16 on AVX-512: with its BF16 instructions or, where the compiler may not use them, with what AVX-512F has, to the
// same bits. The files of this folder are compiled both ways, the second time from avx512_fma/, in a namespace whose
// name is a macro: it is part of every symbol, so that the linker never takes code of one set for that of the other.
#pragma once

#include <immintrin.h>

#ifdef __AVX512BF16__
#define HONE_AVX512 avx512
#define HONE_AVX512_NAME "avx512"
#else
#define HONE_AVX512 avx512_fma
#define HONE_AVX512_NAME "avx512_fma"
#endif

namespace hone::math::HONE_AVX512 {

// Pairs of bf16 {even, odd}, widened.
inline __m512 even_of(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}
inline __m512 odd_of(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
}

#ifdef __AVX512BF16__

constexpr bool kWidensPairs = false;

// sum + x_odd w_odd + x_even w_even, in this order, fused.
inline __m512 add_pair_products(__m512 sum, __m512i x, __m512i w) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
}
// Rounded as round_to_bf16 does.
inline __m256i rounded_to_bf16(__m512 x) {
    return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
}
// Those of `low`, then those of `high`.
inline __m512i rounded_to_bf16(__m512 low, __m512 high) {
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

#else

constexpr bool kWidensPairs = true;

inline __m512 add_pair_products(__m512 sum, __m512i x, __m512i w) {
    return _mm512_fmadd_ps(even_of(x), even_of(w), _mm512_fmadd_ps(odd_of(x), odd_of(w), sum));
}
inline __m256i rounded_to_bf16(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
    const __m512i upper = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    __m512i result = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    const __mmask16 denormal = _mm512_cmplt_epu32_mask(magnitude, _mm512_set1_epi32(0x00800000));
    result = _mm512_mask_and_epi32(result, denormal, upper, _mm512_set1_epi32(0x8000));
    const __mmask16 nan = _mm512_cmpgt_epu32_mask(magnitude, _mm512_set1_epi32(0x7f800000));
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(result, nan, upper, _mm512_set1_epi32(0x40)));
}
inline __m512i rounded_to_bf16(__m512 low, __m512 high) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(rounded_to_bf16(low)), rounded_to_bf16(high), 1);
}

#endif

}  // namespace hone::math::HONE_AVX512
