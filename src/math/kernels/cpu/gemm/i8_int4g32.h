// int8 activations times INT4 weights, i8g32 and i8p32: the exact int32 dot of each group, acc = fma(float(dot),
// s_w * s_x, acc), groups ascending. Weight bytes are nibbles 0..15 (code + 8), unsigned as the byte dot products want
// them; the line's start value -8 * sum(x) makes up for the 8. |dot| <= 32 * 8 * 127, so the conversion to fp32 is
// exact. The two classes differ in product_of_scales.
#pragma once

#include "math/kernels/cpu/gemm/int4_tile.h"

namespace hone::math {

template <class Lanes, ActivationFormat activations>
struct GemmInt8Int4 : Int4Tile<GemmInt8Int4<Lanes, activations>, Lanes, activations> {
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
                const auto scale = product_of_scales(weight_scale, line + kI8ScaleOffset);
                const auto value = Lanes::finish_dot(dot[row][v], line + kI8StartOffset);
                acc.sum[row][v] = Lanes::fma(value, scale, acc.sum[row][v]);
            }
        }
    }

  private:
    // The multiplication of i8g32 takes a slot of the dot products. A power of two only moves the exponent; where the
    // ISA has an instruction for that, it runs beside them.
    [[gnu::always_inline]] static typename Lanes::Floats product_of_scales(typename Lanes::Floats weight_scale,
                                                                           const std::byte* field) {
        if constexpr (activations == ActivationFormat::i8_p32) return Lanes::multiply_by_power(weight_scale, field);
        return Lanes::multiply(weight_scale, Lanes::broadcast_float(field));
    }

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

template <class Lanes>
using GemmI8Int4 = GemmInt8Int4<Lanes, ActivationFormat::i8_g32>;
template <class Lanes>
using GemmI8P32Int4 = GemmInt8Int4<Lanes, ActivationFormat::i8_p32>;

}  // namespace hone::math
