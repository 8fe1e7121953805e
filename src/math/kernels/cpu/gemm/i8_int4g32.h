// int8 activations times INT4 weights, i8g32: the exact int32 dot of each group, acc = fma(float(dot), s_w * s_x, acc),
// groups ascending. Weight bytes are nibbles 0..15 (code + 8), unsigned as the byte dot products want them; the line's
// start value -8 * sum(x) makes up for the 8. |dot| <= 32 * 8 * 127, so the conversion to fp32 is exact.
#pragma once

#include "math/kernels/cpu/gemm/int4_tile.h"

namespace hone::math {

template <class Lanes>
struct GemmI8Int4 : Int4Tile<GemmI8Int4<Lanes>, Lanes, ActivationFormat::i8_g32> {
    template <int group, int rows, int vectors>
    [[gnu::always_inline]] static void add_group(const std::byte* x, const std::byte* step,
                                                 Accumulators<Lanes, rows, vectors>& acc) {
        const std::byte* w = step + group * kInt4OddGroupOffset;
        typename Lanes::Dot dot[rows][vectors];
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
            const auto start = Lanes::start_dot(x + row * kI8LineBytes + kI8StartOffset);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) dot[row][v] = start;
        }
#pragma GCC unroll 4
        for (int octet = 0; octet < 4; octet++) {
            typename Lanes::Bytes low[vectors], high[vectors];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) {
                const auto octets = Lanes::load_octets(w + octet * 128 + v * Lanes::kCount * 4);
                low[v] = Lanes::low_nibbles(octets);
                high[v] = Lanes::high_nibbles(octets);
            }
            add_bytes(x + octet * 8, low, dot);
            add_bytes(x + octet * 8 + 4, high, dot);
        }
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            const auto weight_scale = Lanes::template scales<group>(step + kInt4ScaleOffset + v * Lanes::kCount * 4);
#pragma GCC unroll 8
            for (int row = 0; row < rows; row++) {
                const std::byte* line = x + row * kI8LineBytes;
                const auto scale = Lanes::multiply(weight_scale, Lanes::broadcast_float(line + kI8ScaleOffset));
                const auto value = Lanes::finish_dot(dot[row][v], line + kI8StartOffset);
                acc.sum[row][v] = Lanes::fma(value, scale, acc.sum[row][v]);
            }
        }
    }

  private:
    // Four bytes of k, at x in row 0's line.
    template <int rows, int vectors>
    [[gnu::always_inline]] static void add_bytes(const std::byte* x, const typename Lanes::Bytes (&w)[vectors],
                                                 typename Lanes::Dot (&dot)[rows][vectors]) {
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
            const auto values = Lanes::broadcast_bytes(x + row * kI8LineBytes);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) dot[row][v] = Lanes::add_bytes(dot[row][v], w[v], values);
        }
    }
};

}  // namespace hone::math
