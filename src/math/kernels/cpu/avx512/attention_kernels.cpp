// The products of attention: up to 6 rows by 4 vectors, 24 chains in registers.

#include "math/kernels/attention_kernels.h"

#include "math/kernels/cpu/simd/attention_gradient_templates.h"
#include "math/kernels/cpu/simd/lanes_avx512.h"

namespace hone::math::HONE_AVX512 {
namespace {

// The pair at p in every lane.
__m512i broadcast_pair(const bf16* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof(pair));
    return _mm512_set1_epi32(pair);
}

constexpr __mmask16 kWhole = 0xffff;

// sums[r][v] += the pair of row r, at factors + r * stride, times the 16 pairs at vectors + v * 32, of the last vector
// those of `last`.
template <int kRows, int kVectors>
[[gnu::always_inline]] inline void add_products(__m512 (&sums)[kRows][kVectors], const bf16* vectors, __mmask16 last,
                                                const bf16* factors, int64_t stride) {
    const auto load = [&](int v) {
        return _mm512_maskz_loadu_epi32(v == kVectors - 1 ? last : kWhole, vectors + v * 32);
    };
    if constexpr (kWidensPairs) {  // one half after the other: both at once would need more registers
        __m512 halves[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) halves[v] = odd_of(load(v));
#pragma GCC unroll 6
        for (int r = 0; r < kRows; r++) {
            const __m512 factor = odd_of(broadcast_pair(factors + r * stride));
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; v++) sums[r][v] = _mm512_fmadd_ps(halves[v], factor, sums[r][v]);
        }
        asm volatile("" : "+r"(vectors), "+r"(factors));
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) halves[v] = even_of(load(v));
#pragma GCC unroll 6
        for (int r = 0; r < kRows; r++) {
            const __m512 factor = even_of(broadcast_pair(factors + r * stride));
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; v++) sums[r][v] = _mm512_fmadd_ps(halves[v], factor, sums[r][v]);
        }
    } else {
        __m512i pairs[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) pairs[v] = load(v);
#pragma GCC unroll 6
        for (int r = 0; r < kRows; r++) {
            const __m512i factor = broadcast_pair(factors + r * stride);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; v++) sums[r][v] = add_pair_products(sums[r][v], pairs[v], factor);
        }
    }
}

template <int kRows, int kVectors>
void scores(const ScoreTile& tile) {
    __m512 sums[kRows][kVectors] = {};
    const int64_t pairs = tile.head_dim / 2;
#pragma GCC unroll 2
    for (int64_t pair = 0; pair < pairs; pair++) {
        tile.fetch.step(pair);
        if constexpr (kRows > 1) tile.values.step_second_level(pair);
        add_products(sums, tile.keys + pair * kPageKeys * 2, kWhole, tile.queries + pair * 2, tile.head_dim);
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) _mm512_storeu_ps(tile.scores + r * kChunkKeys + v * 16, sums[r][v]);
    }
}

template <int kRows, int kVectors>
void outputs(const OutputTile& tile) {
    __m512 sums[kRows][kVectors];
    float* output = tile.output + tile.first;
#pragma GCC unroll 6
    for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) sums[r][v] = _mm512_loadu_ps(output + r * tile.stride + v * 16);
    }
    const int64_t last = tile.head_dim - tile.first - (kVectors - 1) * 16;  // outputs of the last vector
    const __mmask16 last_mask = last >= 16 ? kWhole : Avx512Lanes::first(last);
    constexpr int64_t kPagePairs = kPageKeys / 2;
    for (int64_t start = 0; start < tile.pairs; start += kPagePairs) {
        const bf16* values = tile.pages[start / kPagePairs] + kPageKeys * tile.head_dim + tile.first * 2;
        const bf16* probabilities = tile.probabilities + start * 2;
        const int64_t count = tile.pairs - start < kPagePairs ? tile.pairs - start : kPagePairs;
#pragma GCC unroll 2
        for (int64_t pair = 0; pair < count; pair++) {
            if (start == 0) tile.fetch.step(pair);
            add_products(sums, values + pair * tile.head_dim * 2, last_mask, probabilities + pair * 2,
                         kProbabilityStride);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) _mm512_storeu_ps(output + r * tile.stride + v * 16, sums[r][v]);
    }
}

template <int kRows, int kVectors, int kRowStride>
void accumulate(const GradientTile& tile) {
    __m512 sums[kRows][kVectors];
#pragma GCC unroll 6
    for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) sums[r][v] = _mm512_loadu_ps(tile.sums + r * tile.stride + v * 16);
    }
#pragma GCC unroll 2
    for (int64_t pair = 0; pair < tile.pairs; pair++) {
        add_products(sums, tile.vectors + pair * tile.vector_stride, kWhole, tile.factors + pair * tile.factor_stride,
                     kRowStride);
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) _mm512_storeu_ps(tile.sums + r * tile.stride + v * 16, sums[r][v]);
    }
}

struct Tiles {
    static constexpr int64_t kRows = 6, kVectors = 4;

    using Scores = void (*)(const ScoreTile&);
    template <int rows>
    static constexpr Scores kScores[] = {HONE_AVX512::scores<rows, 1>, HONE_AVX512::scores<rows, 2>,
                                         HONE_AVX512::scores<rows, 3>, HONE_AVX512::scores<rows, 4>};
    static void scores(int64_t rows, int64_t vectors, const ScoreTile& tile) {
        static constexpr const Scores* kByRows[] = {kScores<1>, kScores<2>, kScores<3>,
                                                    kScores<4>, kScores<5>, kScores<6>};
        kByRows[rows - 1][vectors - 1](tile);
    }

    using Outputs = void (*)(const OutputTile&);
    template <int rows>
    static constexpr Outputs kOutputs[] = {HONE_AVX512::outputs<rows, 1>, HONE_AVX512::outputs<rows, 2>,
                                           HONE_AVX512::outputs<rows, 3>, HONE_AVX512::outputs<rows, 4>};
    static void outputs(int64_t rows, int64_t vectors, const OutputTile& tile) {
        static constexpr const Outputs* kByRows[] = {kOutputs<1>, kOutputs<2>, kOutputs<3>,
                                                     kOutputs<4>, kOutputs<5>, kOutputs<6>};
        kByRows[rows - 1][vectors - 1](tile);
    }

    using Accumulate = void (*)(const GradientTile&);
    template <int rows, int row_stride>
    static constexpr Accumulate kAccumulate[] = {
        HONE_AVX512::accumulate<rows, 1, row_stride>, HONE_AVX512::accumulate<rows, 2, row_stride>,
        HONE_AVX512::accumulate<rows, 3, row_stride>, HONE_AVX512::accumulate<rows, 4, row_stride>};
    template <int kRowStride>
    static void accumulate(int64_t rows, int64_t vectors, const GradientTile& tile) {
        static constexpr const Accumulate* kByRows[] = {kAccumulate<1, kRowStride>, kAccumulate<2, kRowStride>,
                                                        kAccumulate<3, kRowStride>, kAccumulate<4, kRowStride>,
                                                        kAccumulate<5, kRowStride>, kAccumulate<6, kRowStride>};
        kByRows[rows - 1][vectors - 1](tile);
    }
};

}  // namespace

const AttentionKernels& attention_kernels() {
    using Gradients = AttentionGradientTemplates<Avx512Lanes, Tiles>;
    using Attention = AttentionTemplates<Avx512Lanes, Tiles>;
    static constexpr AttentionKernels kKernels{
        .store_key = {"store_key__" HONE_AVX512_NAME, Attention::store_key},
        .store_value = {"store_value__" HONE_AVX512_NAME, Attention::store_value},
        .attend = {"attend_bf16__" HONE_AVX512_NAME, Attention::attend},
        .merge = {"merge_attention__" HONE_AVX512_NAME, Attention::merge},
        .finish = {"finish_attention__" HONE_AVX512_NAME, Attention::finish},
        .round_pairs = {"round_bf16_pairs__" HONE_AVX512_NAME, Gradients::round_pairs},
        .transpose_pairs = {"transpose_bf16_pairs__" HONE_AVX512_NAME, Gradients::transpose_pairs},
        .dot = {"dot__" HONE_AVX512_NAME, Gradients::dot},
        .add_gradients = {"add_attention_gradients_bf16__" HONE_AVX512_NAME, Gradients::add_gradients},
        .add_scaled = {"add_scaled__" HONE_AVX512_NAME, Gradients::add_scaled},
    };
    return kKernels;
}

}  // namespace hone::math::HONE_AVX512
