// The products of attention with AVX2: up to 4 rows by 16 keys or outputs, each step of VDPBF16PS as two fused
// multiply-adds.

#include "math/kernels/attention_kernels.h"

#include "math/kernels/cpu/simd/attention_gradient_templates.h"
#include "math/kernels/cpu/simd/lanes_avx2.h"

namespace hone::math {
namespace {

// The pair at p in every lane.
Avx2Pairs broadcast_pair(const bf16* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof(pair));
    return Avx2Pairs(_mm256_set1_epi32(pair));
}

void step(Avx2Lanes& sum, const Avx2Pairs& low, const Avx2Pairs& high, const Avx2Pairs& factor) {
    sum.low = _mm256_fmadd_ps(low.even, factor.even, _mm256_fmadd_ps(low.odd, factor.odd, sum.low));
    sum.high = _mm256_fmadd_ps(high.even, factor.even, _mm256_fmadd_ps(high.odd, factor.odd, sum.high));
}

template <int kRows>
void scores(const ScoreTile& tile) {
    Avx2Lanes sums[kRows] = {};
    for (int64_t pair = 0; pair < tile.head_dim / 2; pair++) {
        tile.fetch.step(pair);
        if constexpr (kRows > 1) tile.values.step_second_level(pair);
        const auto* keys = reinterpret_cast<const __m256i*>(tile.keys + pair * kPageKeys * 2);
        const Avx2Pairs low(_mm256_loadu_si256(keys)), high(_mm256_loadu_si256(keys + 1));
#pragma GCC unroll 4
        for (int r = 0; r < kRows; r++) {
            step(sums[r], low, high, broadcast_pair(tile.queries + r * tile.head_dim + pair * 2));
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) sums[r].store(tile.scores + r * kChunkKeys);
}

template <int kRows>
void outputs(const OutputTile& tile) {
    constexpr int64_t kPagePairs = kPageKeys / 2;
    Avx2Lanes sums[kRows];
    float* output = tile.output + tile.first;
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) sums[r] = Avx2Lanes::load(output + r * tile.stride);
    const int64_t count = tile.head_dim - tile.first;
    const __m256i low_mask = Avx2Lanes::first(count), high_mask = Avx2Lanes::first(count - 8);
    for (int64_t pair = 0; pair < tile.pairs; pair++) {
        if (pair < kPagePairs) tile.fetch.step(pair);
        const auto* values = reinterpret_cast<const int*>(tile.pages[pair / kPagePairs] + kPageKeys * tile.head_dim +
                                                          (pair % kPagePairs * tile.head_dim + tile.first) * 2);
        const Avx2Pairs low(_mm256_maskload_epi32(values, low_mask)),
            high(_mm256_maskload_epi32(values + 8, high_mask));
#pragma GCC unroll 4
        for (int r = 0; r < kRows; r++) {
            step(sums[r], low, high, broadcast_pair(tile.probabilities + r * kProbabilityStride + pair * 2));
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) sums[r].store(output + r * tile.stride);
}

template <int kRows, int kRowStride>
void accumulate(const GradientTile& tile) {
    Avx2Lanes sums[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) sums[r] = Avx2Lanes::load(tile.sums + r * tile.stride);
    for (int64_t pair = 0; pair < tile.pairs; pair++) {
        const auto* vectors = reinterpret_cast<const __m256i*>(tile.vectors + pair * tile.vector_stride);
        const Avx2Pairs low(_mm256_loadu_si256(vectors)), high(_mm256_loadu_si256(vectors + 1));
#pragma GCC unroll 4
        for (int r = 0; r < kRows; r++) {
            step(sums[r], low, high, broadcast_pair(tile.factors + pair * tile.factor_stride + r * kRowStride));
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) sums[r].store(tile.sums + r * tile.stride);
}

struct Tiles {
    static constexpr int64_t kRows = 4, kVectors = 1;

    static void scores(int64_t rows, int64_t, const ScoreTile& tile) {
        static constexpr void (*kByRows[])(const ScoreTile&) = {math::scores<1>, math::scores<2>, math::scores<3>,
                                                                math::scores<4>};
        kByRows[rows - 1](tile);
    }
    static void outputs(int64_t rows, int64_t, const OutputTile& tile) {
        static constexpr void (*kByRows[])(const OutputTile&) = {math::outputs<1>, math::outputs<2>, math::outputs<3>,
                                                                 math::outputs<4>};
        kByRows[rows - 1](tile);
    }
    template <int kRowStride>
    static void accumulate(int64_t rows, int64_t, const GradientTile& tile) {
        static constexpr void (*kByRows[])(const GradientTile&) = {
            math::accumulate<1, kRowStride>, math::accumulate<2, kRowStride>, math::accumulate<3, kRowStride>,
            math::accumulate<4, kRowStride>};
        kByRows[rows - 1](tile);
    }
};

}  // namespace

const AttentionKernels& avx2::attention_kernels() {
    using Gradients = AttentionGradientTemplates<Avx2Lanes, Tiles>;
    using Attention = AttentionTemplates<Avx2Lanes, Tiles>;
    static constexpr AttentionKernels kKernels{
        .store_key = {"store_key__avx2", Attention::store_key},
        .store_value = {"store_value__avx2", Attention::store_value},
        .attend = {"attend_bf16__avx2", Attention::attend},
        .merge = {"merge_attention__avx2", Attention::merge},
        .finish = {"finish_attention__avx2", Attention::finish},
        .round_pairs = {"round_bf16_pairs__avx2", Gradients::round_pairs},
        .transpose_pairs = {"transpose_bf16_pairs__avx2", Gradients::transpose_pairs},
        .dot = {"dot__avx2", Gradients::dot},
        .add_gradients = {"add_attention_gradients_bf16__avx2", Gradients::add_gradients},
        .add_scaled = {"add_scaled__avx2", Gradients::add_scaled},
    };
    return kKernels;
}

}  // namespace hone::math
