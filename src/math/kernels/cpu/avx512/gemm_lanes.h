// Sixteen columns in a 512-bit register: the lanes of the AVX-512 matrix products (cpu/gemm). VNNI for bytes, BF16 or
// fused multiply-adds for pairs. Included by avx512/*.cpp only.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "math/kernels/cpu/avx512/bf16.h"

namespace hone::math::HONE_AVX512 {

struct Avx512GemmLanes {
    static constexpr int32_t kCount = 16;
    static constexpr int bf16_vectors(int) { return 4; }  // 6 x 4 accumulators of 32 registers
    static constexpr int int4_vectors(int) { return 2; }  // 6 x 2, twice: of the group and of the row

    using Floats = __m512;

    static Floats zero() { return _mm512_setzero_ps(); }
    static Floats load(const float* y, int32_t count) { return _mm512_maskz_loadu_ps(first(count), y); }
    static void store(float* y, Floats x, int32_t count) { _mm512_mask_storeu_ps(y, first(count), x); }
    static Floats load_floats(const std::byte* from) { return _mm512_loadu_ps(from); }
    static Floats broadcast_float(const std::byte* from) {
        return _mm512_set1_ps(*reinterpret_cast<const float*>(from));
    }
    static Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
    // a * 2^e for the pair of bf16 {2^e, e + 1/2}.
    static Floats multiply_by_power(Floats a, const std::byte* pair) {
        return _mm512_scalef_ps(a, broadcast_float(pair));
    }
    static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }

    // Pairs of bf16 {even k, odd k}.
    using Pairs = __m512i;

    static Pairs load_pairs(const std::byte* from) { return _mm512_loadu_si512(from); }
    static Pairs broadcast_pair(const std::byte* from) { return broadcast(from); }
    static Floats add_pairs(Floats sum, Pairs x, Pairs w) { return add_pair_products(sum, x, w); }

    static constexpr bool kWidensPairs = HONE_AVX512::kWidensPairs;
    // Sixteen pairs, element by element.
    static void widen(const std::byte* pairs, float* values) {
        const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs))),
                      high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs) + 1));
        _mm512_store_ps(values, _mm512_castsi512_ps(_mm512_slli_epi32(low, 16)));
        _mm512_store_ps(values + 16, _mm512_castsi512_ps(_mm512_slli_epi32(high, 16)));
    }
    template <int half>
    static Floats half_of_pairs(const std::byte* from) {
        return half == 0 ? even_of(load_pairs(from)) : odd_of(load_pairs(from));
    }

    // Octets of INT4 codes (quant/packed_layout.h) and their group's scale.
    using Octets = __m512i;

    static Octets load_octets(const std::byte* from) { return _mm512_loadu_si512(from); }
    // Pair `pair` of each octet as bf16. The permutation reads five bits of a lane: the nibble, and a bit of the next
    // one, which the table ignores by being there twice.
    template <int pair>
    static Pairs code_pairs(Octets octets) {
        const __m512i index = pair == 0 ? octets : _mm512_srli_epi16(octets, 4 * pair);
        return _mm512_permutexvar_epi16(index, code_table());
    }
    template <int group>
    static Floats scales(const std::byte* from) {
        const __m512i both = _mm512_loadu_si512(from);
        return group == 0 ? even_of(both) : odd_of(both);
    }

    // Dots of bytes: unsigned weights times signed activations.
    using Bytes = __m512i;
    using Dot = __m512i;

    static Bytes low_nibbles(Octets octets) { return _mm512_and_si512(octets, _mm512_set1_epi8(15)); }
    static Bytes high_nibbles(Octets octets) {
        return _mm512_and_si512(_mm512_srli_epi16(octets, 4), _mm512_set1_epi8(15));
    }
    static Bytes broadcast_bytes(const std::byte* from) { return broadcast(from); }
    static Dot start_dot(const std::byte* start) { return broadcast(start); }
    static Dot add_bytes(Dot dot, Bytes w, Bytes x) { return _mm512_dpbusd_epi32(dot, w, x); }
    static Floats finish_dot(Dot dot, const std::byte*) { return _mm512_cvtepi32_ps(dot); }

    // Squares of dwords, for operands of the backward products (cpu/gemm/transpose.h).
    using Dwords = __m512i;

    static Dwords load_dwords(const std::byte* from) { return _mm512_loadu_si512(from); }
    static void store_dwords(std::byte* to, Dwords x) { _mm512_storeu_si512(to, x); }
    static Dwords as_dwords(Floats x) { return _mm512_castps_si512(x); }
    // Pairs of bf16 {even, odd}.
    static Dwords round_pairs(Floats even, Floats odd) {
        return _mm512_permutexvar_epi16(alternating(0, 16), rounded_to_bf16(even, odd));
    }
    // Words of a and b in turn: those of the lower halves, of the upper halves.
    static Dwords interleave_low(Dwords a, Dwords b) { return _mm512_permutex2var_epi16(a, alternating(0, 32), b); }
    static Dwords interleave_high(Dwords a, Dwords b) { return _mm512_permutex2var_epi16(a, alternating(16, 48), b); }

    [[gnu::always_inline]] static void transpose(Dwords (&r)[kCount]) {
        Dwords t[kCount];
#pragma GCC unroll 8
        for (int i = 0; i < 16; i += 2) {
            t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
            t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 16; i += 4) {
            r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
            r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
            r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
            r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
            t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
            t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
            t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
            r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        }
    }

  private:
    // Words a, b, a + 1, b + 1 and so on.
    static __m512i alternating(int a, int b) {
        const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        return _mm512_add_epi32(_mm512_mullo_epi32(steps, _mm512_set1_epi32(0x10001)), _mm512_set1_epi32(b << 16 | a));
    }
    static __mmask16 first(int32_t count) {
        return count >= kCount ? __mmask16{0xffff} : static_cast<__mmask16>(count <= 0 ? 0 : (1u << count) - 1);
    }
    static __m512i broadcast(const std::byte* from) {
        return _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(from));
    }
    // bf16 of -8..7 at index code + 8, twice.
    static __m512i code_table() {
        return _mm512_broadcast_i64x4(
            _mm256_setr_epi16(static_cast<int16_t>(0xc100), static_cast<int16_t>(0xc0e0), static_cast<int16_t>(0xc0c0),
                              static_cast<int16_t>(0xc0a0), static_cast<int16_t>(0xc080), static_cast<int16_t>(0xc040),
                              static_cast<int16_t>(0xc000), static_cast<int16_t>(0xbf80), 0x0000, 0x3f80, 0x4000,
                              0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0));
    }
};

}  // namespace hone::math::HONE_AVX512
