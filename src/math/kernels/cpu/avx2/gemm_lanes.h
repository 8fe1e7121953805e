// Eight columns in a 256-bit register: the lanes of the AVX2 matrix products (cpu/gemm). Pairs of bf16 are two fp32
// vectors and two fused multiply-adds, the odd element first; bytes are multiplied to int16, whose sums over a group
// are at most 8 * 2 * 15 * 127 = 30480 and cannot overflow. Included by avx2/*.cpp only.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "math/kernels/cpu/simd/lanes_avx2.h"

namespace hone::math {

struct Avx2GemmLanes {
    static constexpr int32_t kCount = 8;
    static constexpr int bf16_vectors(int rows) { return rows <= 1 ? 8 : 2; }
    static constexpr int int4_vectors(int rows) { return rows <= 1 ? 4 : 2; }

    using Floats = __m256;

    static Floats zero() { return _mm256_setzero_ps(); }
    static Floats load(const float* y, int32_t count) { return _mm256_maskload_ps(y, first(count)); }
    static void store(float* y, Floats x, int32_t count) { _mm256_maskstore_ps(y, first(count), x); }
    static Floats load_floats(const std::byte* from) { return _mm256_loadu_ps(reinterpret_cast<const float*>(from)); }
    static Floats broadcast_float(const std::byte* from) {
        return _mm256_broadcast_ss(reinterpret_cast<const float*>(from));
    }
    static Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
    // a * 2^e for the pair of bf16 {2^e, e + 1/2}.
    static Floats multiply_by_power(Floats a, const std::byte* pair) {
        return multiply(a, _mm256_castsi256_ps(_mm256_slli_epi32(broadcast(pair), 16)));
    }
    static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }

    // Pairs of bf16 {even k, odd k}, widened.
    static constexpr bool kWidensPairs =
        false;  // in memory; here loads are scarcer than shifts, by a fifth of the rate
    struct Pairs {
        Floats even, odd;
    };

    static Pairs load_pairs(const std::byte* from) { return widen(load_octets(from)); }
    static Pairs broadcast_pair(const std::byte* from) { return widen(broadcast(from)); }
    static Floats add_pairs(Floats sum, Pairs x, Pairs w) { return fma(x.even, w.even, fma(x.odd, w.odd, sum)); }

    // Octets of INT4 codes (quant/packed_layout.h) and their group's scale.
    using Octets = __m256i;

    static Octets load_octets(const std::byte* from) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    }
    template <int pair>
    static Pairs code_pairs(Octets octets) {
        return {code(_mm256_srli_epi32(octets, 4 * pair)), code(_mm256_srli_epi32(octets, 16 + 4 * pair))};
    }
    template <int group>
    static Floats scales(const std::byte* from) {
        const Pairs both = load_pairs(from);
        return group == 0 ? both.even : both.odd;
    }

    // Dots of bytes: unsigned weights times signed activations.
    using Bytes = __m256i;
    using Dot = __m256i;  // int16, two partial sums a column

    static Bytes low_nibbles(Octets octets) { return _mm256_and_si256(octets, _mm256_set1_epi8(15)); }
    static Bytes high_nibbles(Octets octets) {
        return _mm256_and_si256(_mm256_srli_epi16(octets, 4), _mm256_set1_epi8(15));
    }
    static Bytes broadcast_bytes(const std::byte* from) { return broadcast(from); }
    static Dot start_dot(const std::byte*) { return _mm256_setzero_si256(); }
    static Dot add_bytes(Dot dot, Bytes w, Bytes x) {
        dot = _mm256_add_epi16(dot, _mm256_maddubs_epi16(w, x));
        // Otherwise the compiler sums all products of a group in a tree, for which there are far too few registers.
        asm("" : "+x"(dot));
        return dot;
    }
    static Floats finish_dot(Dot dot, const std::byte* start) {
        return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(dot, _mm256_set1_epi16(1)), broadcast(start)));
    }

    // Squares of dwords, for operands of the backward products (cpu/gemm/transpose.h).
    using Dwords = __m256i;

    static Dwords load_dwords(const std::byte* from) { return load_octets(from); }
    static void store_dwords(std::byte* to, Dwords x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x); }
    static Dwords as_dwords(Floats x) { return _mm256_castps_si256(x); }
    // Pairs of bf16 {even, odd}.
    static Dwords round_pairs(Floats even, Floats odd) {
        return _mm256_or_si256(rounded_to_bf16(even), _mm256_slli_epi32(rounded_to_bf16(odd), 16));
    }
    // Pair `pair` of each octet times the scale.
    template <int pair>
    static Dwords scaled_codes(Octets octets, Floats scale) {
        const Pairs codes = code_pairs<pair>(octets);
        return round_pairs(multiply(codes.even, scale), multiply(codes.odd, scale));
    }
    // Words of a and b in turn: those of the lower halves, of the upper halves.
    static Dwords interleave_low(Dwords a, Dwords b) {
        return _mm256_permute2x128_si256(_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b), 0x20);
    }
    static Dwords interleave_high(Dwords a, Dwords b) {
        return _mm256_permute2x128_si256(_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b), 0x31);
    }

    [[gnu::always_inline]] static void transpose(Dwords (&r)[kCount]) {
        Dwords t[kCount];
#pragma GCC unroll 4
        for (int i = 0; i < 8; i += 2) {
            t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
            t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
        }
#pragma GCC unroll 2
        for (int i = 0; i < 8; i += 4) {
            r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
            r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
            r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
            r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            t[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
            t[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) r[i] = t[i];
    }

  private:
    static __m256i first(int32_t count) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }
    static __m256i broadcast(const std::byte* from) {
        return _mm256_set1_epi32(*reinterpret_cast<const int32_t*>(from));
    }
    static Pairs widen(__m256i pairs) {
        return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)),
                _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000))))};
    }
    // The code in the lowest nibble of each lane: 2^23 + nibble as a float, less 2^23 + 8.
    static Floats code(__m256i lanes) {
        const __m256i nibble = _mm256_and_si256(lanes, _mm256_set1_epi32(15));
        const Floats biased = _mm256_castsi256_ps(_mm256_or_si256(nibble, _mm256_set1_epi32(0x4b000000)));
        return _mm256_sub_ps(biased, _mm256_set1_ps(8388616.0f));
    }
};

}  // namespace hone::math
