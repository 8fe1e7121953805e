// Sixteen fp32 lanes in two 256-bit registers: the lane type of the AVX2 kernels (kernels/elementary.h,
// simd/row_templates.h). Included by avx2/*.cpp only.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "math/tensor/bf16.h"

namespace hone::math {

// Eight values rounded as round_to_bf16 does, in the low halves of the result's lanes.
inline __m256i rounded_to_bf16(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
    const __m256i upper = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    __m256i result = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
    const __m256i denormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x00800000), magnitude);
    result = _mm256_blendv_epi8(result, _mm256_and_si256(upper, _mm256_set1_epi32(0x8000)), denormal);
    const __m256i nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7f800000));
    return _mm256_blendv_epi8(result, _mm256_or_si256(upper, _mm256_set1_epi32(0x40)), nan);
}

struct Avx2Mask {
    __m256 low, high;
};

struct Avx2Lanes {
    __m256 low, high;

    static Avx2Lanes all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
    static Avx2Lanes load(const float* x) { return {_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}; }
    static Avx2Lanes load(const bf16* x) { return {widened(x), widened(x + 8)}; }
    // The first `count` < 16 values, and `fill` in the lanes behind them.
    static Avx2Lanes load_first(const float* x, int64_t count, float fill) {
        const __m256i low = first(count), high = first(count - 8);
        const __m256 filler = _mm256_set1_ps(fill);
        return {_mm256_blendv_ps(filler, _mm256_maskload_ps(x, low), _mm256_castsi256_ps(low)),
                _mm256_blendv_ps(filler, _mm256_maskload_ps(x + 8, high), _mm256_castsi256_ps(high))};
    }
    static Avx2Lanes load_first(const bf16* x, int64_t count) {
        bf16 values[16] = {};
        for (int64_t i = 0; i < count; i++) values[i] = x[i];
        return load(values);
    }
    void store(float* y) const {
        _mm256_storeu_ps(y, low);
        _mm256_storeu_ps(y + 8, high);
    }
    void store_first(float* y, int64_t count) const {
        _mm256_maskstore_ps(y, first(count), low);
        _mm256_maskstore_ps(y + 8, first(count - 8), high);
    }
    void store(bf16* y) const {
        const __m256i packed = _mm256_packus_epi32(rounded_to_bf16(low), rounded_to_bf16(high));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm256_permute4x64_epi64(packed, 0xd8));
    }
    void store_first(bf16* y, int64_t count) const {
        bf16 values[16];
        store(values);
        for (int64_t i = 0; i < count; i++) y[i] = values[i];
    }

    // All bits in the first `count` lanes of eight; count may be outside 0..8.
    static __m256i first(int64_t count) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(count)),
                                  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }
    static __m256 widened(const bf16* x) {
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))), 16));
    }
};

inline Avx2Lanes operator+(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline Avx2Lanes operator-(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
inline Avx2Lanes operator*(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline Avx2Lanes operator/(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
inline Avx2Lanes operator-(Avx2Lanes a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_xor_ps(a.low, sign), _mm256_xor_ps(a.high, sign)};
}
inline Avx2Lanes fma(Avx2Lanes a, Avx2Lanes b, Avx2Lanes c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
// As MINPS and MAXPS: the second operand if either is NaN, so that max(value, maximum) passes over NaNs.
inline Avx2Lanes min(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}
inline Avx2Lanes max(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
inline Avx2Lanes abs(Avx2Lanes a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
inline Avx2Lanes copy_sign(Avx2Lanes magnitude, Avx2Lanes sign) {
    const __m256 bit = _mm256_set1_ps(-0.0f);
    return {_mm256_or_ps(_mm256_andnot_ps(bit, magnitude.low), _mm256_and_ps(bit, sign.low)),
            _mm256_or_ps(_mm256_andnot_ps(bit, magnitude.high), _mm256_and_ps(bit, sign.high))};
}
inline Avx2Lanes round_to_even(Avx2Lanes a) {
    constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.low, kMode), _mm256_round_ps(a.high, kMode)};
}
inline Avx2Mask less(Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ)};
}
inline Avx2Lanes select(Avx2Mask condition, Avx2Lanes a, Avx2Lanes b) {
    return {_mm256_blendv_ps(b.low, a.low, condition.low), _mm256_blendv_ps(b.high, a.high, condition.high)};
}
inline Avx2Lanes zero_where(Avx2Mask condition, Avx2Lanes a) {
    return {_mm256_andnot_ps(condition.low, a.low), _mm256_andnot_ps(condition.high, a.high)};
}

// p * 2^n for p in [1/2, 2) and whole n in [-126, 128], in two exact factors (the product may be infinite). NaN in p
// stays.
inline __m256 scale_by_power(__m256 p, __m256 n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    const auto power = [](__m256i e) {
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23));
    };
    return _mm256_mul_ps(_mm256_mul_ps(p, power(half)), power(_mm256_sub_epi32(whole, half)));
}
inline Avx2Lanes scale_by_power(Avx2Lanes p, Avx2Lanes n) {
    return {scale_by_power(p.low, n.low), scale_by_power(p.high, n.high)};
}

// x = result * 2^exponent with the result in [sqrt(1/2), sqrt(2)), for normal x > 0; anything for other x.
inline __m256 split_exponent(__m256 x, __m256& exponent) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i e = _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(0x3f3504f3)), 23);
    exponent = _mm256_cvtepi32_ps(e);
    return _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(e, 23)));
}
inline Avx2Lanes split_exponent(Avx2Lanes x, Avx2Lanes& exponent) {
    return {split_exponent(x.low, exponent.low), split_exponent(x.high, exponent.high)};
}

// Whether the whole number n + offset has this bit; anything for |n| >= 2^30 and NaN.
inline Avx2Mask has_bit(Avx2Lanes n, int32_t offset, int32_t bit) {
    const __m256i mask = _mm256_set1_epi32(bit);
    const auto test = [&](__m256 x) {
        const __m256i whole = _mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(offset));
        return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(whole, mask), mask));
    };
    return {test(n.low), test(n.high)};
}

// a * b - c in even lanes, a * b + c in odd ones, fused.
inline Avx2Lanes fma_alternating(Avx2Lanes a, Avx2Lanes b, Avx2Lanes c) {
    return {_mm256_fmaddsub_ps(a.low, b.low, c.low), _mm256_fmaddsub_ps(a.high, b.high, c.high)};
}
// Neighbours exchanged: x1 x0 x3 x2 ...
inline Avx2Lanes swap_pairs(Avx2Lanes a) {
    return {_mm256_permute_ps(a.low, 0xb1), _mm256_permute_ps(a.high, 0xb1)};
}

inline float first_lane(Avx2Lanes a) {
    return _mm256_cvtss_f32(a.low);
}

// The first `count` < 16 lanes, zeros behind them.
inline Avx2Lanes keep_first(Avx2Lanes a, int64_t count) {
    return {_mm256_and_ps(a.low, _mm256_castsi256_ps(Avx2Lanes::first(count))),
            _mm256_and_ps(a.high, _mm256_castsi256_ps(Avx2Lanes::first(count - 8)))};
}

// Eight pairs of bf16 values, taken apart and widened.
struct Avx2Pairs {
    __m256 even, odd;

    explicit Avx2Pairs(__m256i pairs)
        : even(_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16))),
          odd(_mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-0x10000)))) {}
};
// Stores a, then b, as 32 bf16 values p and returns sum_i + p[2i+1] + p[2i], added in this order.
inline Avx2Lanes add_pairs(Avx2Lanes sum, Avx2Lanes a, Avx2Lanes b, bf16* p) {
    a.store(p);
    b.store(p + 16);
    const auto* stored = reinterpret_cast<const __m256i*>(p);
    const Avx2Pairs low(_mm256_loadu_si256(stored)), high(_mm256_loadu_si256(stored + 1));
    return {_mm256_add_ps(_mm256_add_ps(sum.low, low.odd), low.even),
            _mm256_add_ps(_mm256_add_ps(sum.high, high.odd), high.even)};
}
// Stores a_i and b_i as the bf16 values 2i and 2i + 1 of p.
inline void store_pairs(Avx2Lanes a, Avx2Lanes b, bf16* p) {
    const auto pairs = [](__m256 even, __m256 odd) {
        return _mm256_or_si256(rounded_to_bf16(even), _mm256_slli_epi32(rounded_to_bf16(odd), 16));
    };
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), pairs(a.low, b.low));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 16), pairs(a.high, b.high));
}

// The halving tree of rule 2: lane i + lane i+8, then +4, +2, +1.
inline float sum_of_lanes(Avx2Lanes a) {
    const __m256 eight = _mm256_add_ps(a.low, a.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
// The largest value; +0, never -0, if that is zero, since MAXPS takes the one for the other.
inline float max_of_lanes(Avx2Lanes a) {
    const __m256 eight = _mm256_max_ps(a.low, a.high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two))) + 0.0f;
}

}  // namespace hone::math
