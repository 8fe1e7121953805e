// bf16 activations times INT4 weights, f32seq: the pair chain from 0 over the codes of each group, then
// acc = fma(group_sum, scale, acc), groups ascending. A 16-bit lane of codes becomes bf16 by table (kernel of AVX-512)
// or by conversion (AVX2), shifted by 4 bits for each pair of an octet.
#pragma once

#include "math/kernels/cpu/gemm/bf16_bf16.h"
#include "math/kernels/cpu/gemm/int4_tile.h"

namespace hone::math {

template <class Lanes>
struct GemmBf16Int4 : Int4Tile<GemmBf16Int4<Lanes>, Lanes, ActivationFormat::bf16> {
    template <int group, int rows, int vectors>
    [[gnu::always_inline]] static void add_group(const std::byte* x, const std::byte* step,
                                                 Accumulators<Lanes, rows, vectors>& acc) {
        const std::byte* w = step + group * kInt4OddGroupOffset;
        typename Lanes::Floats sum[rows][vectors];
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) sum[row][v] = Lanes::zero();
        }
#pragma GCC unroll 1
        for (int octet = 0; octet < 4; octet++, x += 16, w += 128) {
            typename Lanes::Octets octets[vectors];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) octets[v] = Lanes::load_octets(w + v * Lanes::kCount * 4);
            add_octet_pair<0>(x, octets, sum);
            add_octet_pair<1>(x, octets, sum);
            add_octet_pair<2>(x, octets, sum);
            add_octet_pair<3>(x, octets, sum);
        }
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            const auto scale = Lanes::template scales<group>(step + kInt4ScaleOffset + v * Lanes::kCount * 4);
#pragma GCC unroll 8
            for (int row = 0; row < rows; row++) acc.sum[row][v] = Lanes::fma(sum[row][v], scale, acc.sum[row][v]);
        }
    }

  private:
    // Pair `pair` of the four in an octet of k.
    template <int pair, int rows, int vectors>
    [[gnu::always_inline]] static void add_octet_pair(const std::byte* x,
                                                      const typename Lanes::Octets (&octets)[vectors],
                                                      typename Lanes::Floats (&sum)[rows][vectors]) {
        typename Lanes::Pairs weights[vectors];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) weights[v] = Lanes::template code_pairs<pair>(octets[v]);
        add_pairs<Lanes>(x + pair * 4, weights, sum);
    }
};

}  // namespace hone::math
