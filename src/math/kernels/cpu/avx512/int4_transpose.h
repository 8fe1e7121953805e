// transpose_int4g32 for AVX-512. An INT4 weight has 16 possible values in a group, so that the rounded products of two
// neighbouring columns are a table of one register, and two codes become the pair that is wanted by one look-up: half
// the shuffles of widening, multiplying and rounding every weight. Included by avx512/*.cpp only.
#pragma once

#include <immintrin.h>

#include "math/kernels/cpu/avx512/bf16.h"
#include "math/kernels/gemm_kernels.h"

namespace hone::math::HONE_AVX512 {

struct Avx512Int4Transpose {
    // All k of a step for 16 columns: octets[i] holds octet i of k of all columns, and then both columns of pair i, octet
    // after octet.
    [[gnu::always_inline]] static void transpose_pairs(__m512i (&octets)[8]) {
        __m512i even[4], odd[4];  // of pairs: two octets of each
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            even[i] = _mm512_unpacklo_epi64(octets[2 * i], octets[2 * i + 1]);
            odd[i] = _mm512_unpackhi_epi64(octets[2 * i], octets[2 * i + 1]);
        }
        const auto spread = [&](const __m512i(&pairs)[4], int first) {
            const __m512i low_even = _mm512_shuffle_i32x4(pairs[0], pairs[1], 0x88),
                          high_even = _mm512_shuffle_i32x4(pairs[2], pairs[3], 0x88),
                          low_odd = _mm512_shuffle_i32x4(pairs[0], pairs[1], 0xdd),
                          high_odd = _mm512_shuffle_i32x4(pairs[2], pairs[3], 0xdd);
            octets[first] = _mm512_shuffle_i32x4(low_even, high_even, 0x88);
            octets[first + 2] = _mm512_shuffle_i32x4(low_odd, high_odd, 0x88);
            octets[first + 4] = _mm512_shuffle_i32x4(low_even, high_even, 0xdd);
            octets[first + 6] = _mm512_shuffle_i32x4(low_odd, high_odd, 0xdd);
        };
        spread(even, 0);
        spread(odd, 1);
    }

    static void run(const TransposeTask& task) {
        const __m512 codes = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
        // Of dword k of 16: the half words of both columns' octets that hold its codes, and the place of these in them.
        const __m512i halves =
            _mm512_setr_epi32(0x20000, 0x30001, 0x20000, 0x30001, 0x20000, 0x30001, 0x20000, 0x30001, 0x60004, 0x70005,
                              0x60004, 0x70005, 0x60004, 0x70005, 0x60004, 0x70005);
        const __m512i shifts = _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 0, 0, 4, 4, 8, 8, 12, 12);
        const __m512i code = _mm512_set1_epi32(0x000f000f), second_column = _mm512_set1_epi32(0x00100000);
        for (int32_t i = 0; i < task.count_n; i += 16) {
            const int32_t n = task.first_n + i;
            const std::byte* from = task.weight + n / kInt4Panel.columns * kInt4Panel.panel_bytes(task.k) +
                                    kInt4Panel.panel_bytes(task.first_k) + n % kInt4Panel.columns * 4;
            __m512i octets[8];
#pragma GCC unroll 8
            for (int octet = 0; octet < 8; octet++)
                octets[octet] = _mm512_loadu_si512(from + octet / 4 * kInt4OddGroupOffset + octet % 4 * 128);
            transpose_pairs(octets);
            const __m512i both = _mm512_loadu_si512(from + kInt4ScaleOffset);
            alignas(64) float scales[2][16];  // of the groups
            _mm512_store_ps(scales[0], even_of(both));
            _mm512_store_ps(scales[1], odd_of(both));

            std::byte* to = task.panel + i / 2 * kBf16Panel.step_bytes;
#pragma GCC unroll 8
            for (int pair = 0; pair < 8; pair++, to += kBf16Panel.step_bytes) {
#pragma GCC unroll 2
                for (int group = 0; group < 2; group++) {
                    const __m512 first = _mm512_mul_ps(codes, _mm512_set1_ps(scales[group][2 * pair])),
                                 second = _mm512_mul_ps(codes, _mm512_set1_ps(scales[group][2 * pair + 1]));
                    const __m512i table = rounded_to_bf16(first, second);
#pragma GCC unroll 2
                    for (int part = 2 * group; part < 2 * group + 2; part++) {
                        const __m512i at = _mm512_add_epi16(halves, _mm512_set1_epi16(static_cast<int16_t>(8 * part)));
                        const __m512i words = _mm512_permutexvar_epi16(at, octets[pair]);
                        const __m512i index =
                            _mm512_ternarylogic_epi32(_mm512_srlv_epi32(words, shifts), code, second_column, 0xea);
                        _mm512_storeu_si512(to + 64 * part, _mm512_permutexvar_epi16(index, table));
                    }
                }
            }
        }
    }
};

}  // namespace hone::math::HONE_AVX512
