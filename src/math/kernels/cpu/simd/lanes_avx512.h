// Sixteen fp32 lanes in one 512-bit register: the lane type of the AVX-512 kernels (kernels/elementary.h,
// simd/row_templates.h). Included by avx512/*.cpp only.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "math/kernels/cpu/avx512/bf16.h"
#include "math/tensor/bf16.h"

namespace hone::math::HONE_AVX512 {

struct Avx512Lanes {
    __m512 value;

    static Avx512Lanes all(float x) { return {_mm512_set1_ps(x)}; }
    static Avx512Lanes load(const float* x) { return {_mm512_loadu_ps(x)}; }
    static Avx512Lanes load(const bf16* x) {
        return {_mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))), 16))};
    }
    // The first `count` < 16 values, and `fill` in the lanes behind them.
    static Avx512Lanes load_first(const float* x, int64_t count, float fill) {
        return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(count), x)};
    }
    static Avx512Lanes load_first(const bf16* x, int64_t count) {
        return {_mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first(count), x)), 16))};
    }
    void store(float* y) const { _mm512_storeu_ps(y, value); }
    void store_first(float* y, int64_t count) const { _mm512_mask_storeu_ps(y, first(count), value); }
    void store(bf16* y) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), rounded_to_bf16(value)); }
    void store_first(bf16* y, int64_t count) const {
        _mm256_mask_storeu_epi16(y, first(count), rounded_to_bf16(value));
    }

    static __mmask16 first(int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }
};

inline Avx512Lanes operator+(Avx512Lanes a, Avx512Lanes b) {
    return {_mm512_add_ps(a.value, b.value)};
}
inline Avx512Lanes operator-(Avx512Lanes a, Avx512Lanes b) {
    return {_mm512_sub_ps(a.value, b.value)};
}
inline Avx512Lanes operator*(Avx512Lanes a, Avx512Lanes b) {
    return {_mm512_mul_ps(a.value, b.value)};
}
inline Avx512Lanes operator/(Avx512Lanes a, Avx512Lanes b) {
    return {_mm512_div_ps(a.value, b.value)};
}
inline Avx512Lanes operator-(Avx512Lanes a) {
    return {_mm512_xor_ps(a.value, _mm512_set1_ps(-0.0f))};
}
inline Avx512Lanes fma(Avx512Lanes a, Avx512Lanes b, Avx512Lanes c) {
    return {_mm512_fmadd_ps(a.value, b.value, c.value)};
}
// As MINPS and MAXPS: the second operand if either is NaN, so that max(value, maximum) passes over NaNs.
inline Avx512Lanes min(Avx512Lanes a, Avx512Lanes b) {
    return {_mm512_min_ps(a.value, b.value)};
}
inline Avx512Lanes max(Avx512Lanes a, Avx512Lanes b) {
    return {_mm512_max_ps(a.value, b.value)};
}
inline Avx512Lanes abs(Avx512Lanes a) {
    return {_mm512_abs_ps(a.value)};
}
inline Avx512Lanes copy_sign(Avx512Lanes magnitude, Avx512Lanes sign) {
    const __m512 bit = _mm512_set1_ps(-0.0f);
    return {_mm512_or_ps(_mm512_andnot_ps(bit, magnitude.value), _mm512_and_ps(bit, sign.value))};
}
inline Avx512Lanes round_to_even(Avx512Lanes a) {
    return {_mm512_roundscale_ps(a.value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline __mmask16 less(Avx512Lanes a, Avx512Lanes b) {
    return _mm512_cmp_ps_mask(a.value, b.value, _CMP_LT_OQ);
}
inline Avx512Lanes select(__mmask16 condition, Avx512Lanes a, Avx512Lanes b) {
    return {_mm512_mask_blend_ps(condition, b.value, a.value)};
}
inline Avx512Lanes zero_where(__mmask16 condition, Avx512Lanes a) {
    return {_mm512_maskz_mov_ps(_knot_mask16(condition), a.value)};
}
// p * 2^n for p in [1/2, 2) and whole n in [-126, 128].
inline Avx512Lanes scale_by_power(Avx512Lanes p, Avx512Lanes n) {
    return {_mm512_scalef_ps(p.value, n.value)};
}
// x = result * 2^exponent with the result in [sqrt(1/2), sqrt(2)), for normal x > 0; anything for other x.
inline Avx512Lanes split_exponent(Avx512Lanes x, Avx512Lanes& exponent) {
    const __m512i bits = _mm512_castps_si512(x.value);
    const __m512i e = _mm512_srai_epi32(_mm512_sub_epi32(bits, _mm512_set1_epi32(0x3f3504f3)), 23);
    exponent = {_mm512_cvtepi32_ps(e)};
    return {_mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(e, 23)))};
}
// Whether the whole number n + offset has this bit; anything for |n| >= 2^30 and NaN.
inline __mmask16 has_bit(Avx512Lanes n, int32_t offset, int32_t bit) {
    const __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(n.value), _mm512_set1_epi32(offset));
    return _mm512_test_epi32_mask(whole, _mm512_set1_epi32(bit));
}

// a * b - c in even lanes, a * b + c in odd ones, fused.
inline Avx512Lanes fma_alternating(Avx512Lanes a, Avx512Lanes b, Avx512Lanes c) {
    return {_mm512_fmaddsub_ps(a.value, b.value, c.value)};
}
// Neighbours exchanged: x1 x0 x3 x2 ...
inline Avx512Lanes swap_pairs(Avx512Lanes a) {
    return {_mm512_permute_ps(a.value, 0xb1)};
}

inline float first_lane(Avx512Lanes a) {
    return _mm512_cvtss_f32(a.value);
}

// The first `count` < 16 lanes, zeros behind them.
inline Avx512Lanes keep_first(Avx512Lanes a, int64_t count) {
    return {_mm512_maskz_mov_ps(Avx512Lanes::first(count), a.value)};
}
// Stores a, then b, as 32 bf16 values p and returns sum_i + p[2i+1] + p[2i], added in this order.
inline Avx512Lanes add_pairs(Avx512Lanes sum, Avx512Lanes a, Avx512Lanes b, bf16* p) {
    const __m512i pairs = rounded_to_bf16(a.value, b.value);
    _mm512_storeu_si512(p, pairs);
    return {add_pair_products(sum.value, pairs, _mm512_set1_epi16(0x3f80))};
}
// Stores a_i and b_i as the bf16 values 2i and 2i + 1 of p.
inline void store_pairs(Avx512Lanes a, Avx512Lanes b, bf16* p) {
    const __m512i both = rounded_to_bf16(a.value, b.value);
    const __m512i halves =
        _mm512_cvtepu8_epi16(_mm256_setr_epi8(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10,
                                              26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
    _mm512_storeu_si512(p, _mm512_permutexvar_epi16(halves, both));
}

// The halving tree of rule 2: lane i + lane i+8, then +4, +2, +1.
inline float sum_of_lanes(Avx512Lanes a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.value), _mm512_extractf32x8_ps(a.value, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
// The largest value; +0, never -0, if that is zero, since MAXPS takes the one for the other.
inline float max_of_lanes(Avx512Lanes a) {
    return _mm512_reduce_max_ps(a.value) + 0.0f;
}

}  // namespace hone::math::HONE_AVX512
