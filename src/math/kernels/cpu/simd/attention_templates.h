// Attention over one chunk, written once and instantiated by avx2/ and avx512/ over a type V of 16 fp32 lanes and a
// class Tiles with the two products, which hold kRows rows by up to kVectors vectors of 16 keys or outputs in
// registers. What is computed is said in kernels/attention_kernels.h and spelled out in
// reference/attention_kernels.cpp. Tiles lives in an anonymous namespace, and with it every instantiation: no code
// compiled for one ISA can be linked to another. What has neither in its name is always inlined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "math/kernels/attention_kernels.h"
#include "math/kernels/elementary.h"

namespace hone::math {

// Cache lines to be fetched beside the products: `lines` a step, one after another. Fetching 8 segments ahead in the
// order of addresses reads memory a fifth faster than fetching the next page of keys, and later of values.
// Two words, so that it travels in registers: a tile that is copied through memory just after it was written waits for
// everything before it, which costs a fifth of decode.
struct FetchAhead {
    const std::byte* from = nullptr;
    int64_t lines = 0;

    [[gnu::always_inline]] void step(int64_t i) const {
        for (int64_t line = 0; line < lines; line++) __builtin_prefetch(from + (i * lines + line) * 64);
    }
    // As step, but only to the second-level cache.
    [[gnu::always_inline]] void step_second_level(int64_t i) const {
        for (int64_t line = 0; line < lines; line++) __builtin_prefetch(from + (i * lines + line) * 64, 0, 2);
    }
    // Part `part` of `parts` of `lines` cache lines a step, over `steps` steps.
    [[gnu::always_inline]] static FetchAhead share(const bf16* from, int64_t lines, int64_t steps, int64_t part,
                                                   int64_t parts) {
        if (from == nullptr) return {};
        const int64_t before = lines * part / parts;
        return {reinterpret_cast<const std::byte*>(from) + before * steps * 64, lines * (part + 1) / parts - before};
    }
};

constexpr int64_t kPageKeys = 64;
constexpr int64_t kChunkKeys = kAttentionChunkPages * kPageKeys;  // also the row stride of scores
// The probabilities of a row lie where its scores lay, so that both stay in the first-level cache.
constexpr int64_t kProbabilityStride = kChunkKeys * sizeof(float) / sizeof(bf16);

// scores[row][key] of some rows and 16 keys a vector: chains over the head dimension.
struct ScoreTile {
    const bf16* queries;  // [rows][head_dim]
    const bf16* keys;     // [head_dim/2][64][2], from the first key of the tile
    int64_t head_dim;
    float* scores;  // [rows][kChunkKeys], from the first key of the tile
    FetchAhead fetch;
    FetchAhead values;  // of the same page, wanted in the second-level cache
};

// output[row][i] += sum over key pairs of p * v, some rows and 16 outputs a vector: chains over the pairs of some
// pages.
struct OutputTile {
    const bf16* probabilities;  // [rows][kProbabilityStride], from the first key of the tile
    const bf16* const* pages;   // one each 32 pairs: keys, then values [32][head_dim][2]
    int64_t pairs;
    int64_t first, head_dim;  // outputs from `first`; the last vector may reach beyond head_dim
    float* output;            // [rows][stride], from output 0
    int64_t stride;
    FetchAhead fetch;  // while the first page is read
};

template <class V, class Tiles>
struct AttentionTemplates {
    static constexpr float kLowest = -std::numeric_limits<float>::infinity();

    static void store_key(const float* key, int32_t slot, int32_t head_dim, bf16* page) {
        for (int32_t i = 0; i < head_dim; i += 16) {
            bf16 rounded[16];
            const int32_t count = head_dim - i < 16 ? head_dim - i : 16;
            round(key + i, count, rounded);
            for (int32_t j = 0; j < count; j += 2) {
                __builtin_memcpy(page + ((i + j) / 2 * kPageKeys + slot) * 2, rounded + j, 2 * sizeof(bf16));
            }
        }
    }

    static void store_value(const float* value, int32_t slot, int32_t head_dim, bf16* page) {
        bf16* row = page + (slot / 2) * int64_t{head_dim} * 2 + slot % 2;
        for (int32_t i = 0; i < head_dim; i += 16) {
            bf16 rounded[16];
            const int32_t count = head_dim - i < 16 ? head_dim - i : 16;
            round(value + i, count, rounded);
            for (int32_t j = 0; j < count; j++) row[(i + j) * 2] = rounded[j];
        }
    }

    static void attend(const AttentionChunk& chunk, const AttentionPart& part) {
        alignas(64) float scores[kAttentionRows * kChunkKeys];
        auto* probabilities = reinterpret_cast<bf16*>(scores);
        const RowTiles tiles(chunk);
        products_with_keys(chunk, tiles, scores);
        for (int64_t tile = 0; tile < tiles.count; tile++) {
            for (int64_t row = tiles.first[tile]; row < tiles.first[tile + 1]; row++) {
                softmax(scores + row * kChunkKeys, chunk.visible[row], tiles.visible[tile], chunk.scale,
                        probabilities + row * kProbabilityStride, part.maximum[row], part.sum[row]);
            }
        }
        products_with_values(chunk, tiles, probabilities, part.output);
    }

    static void merge(const AttentionPart& part, int32_t rows, int32_t head_dim, float scale,
                      const AttentionPart& into) {
        const int64_t stride = output_stride(head_dim);
        for (int64_t row = 0; row < rows; row++) {
            if (part.sum[row] == 0) continue;
            const float* o2 = part.output + row * stride;
            float* o1 = into.output + row * stride;
            if (into.sum[row] == 0) {
                into.maximum[row] = part.maximum[row];
                into.sum[row] = part.sum[row];
                for (int64_t i = 0; i < stride; i += 16) V::load(o2 + i).store(o1 + i);
                continue;
            }
            const float m1 = into.maximum[row], m2 = part.maximum[row], m = m1 > m2 ? m1 : m2;
            const V e1 = math::exp2(V::all(scale * (m1 - m))), e2 = math::exp2(V::all(scale * (m2 - m)));
            into.maximum[row] = m;
            into.sum[row] = first_lane(fma(V::all(part.sum[row]), e2, V::all(into.sum[row]) * e1));
            for (int64_t i = 0; i < stride; i += 16) fma(V::load(o2 + i), e2, V::load(o1 + i) * e1).store(o1 + i);
        }
    }

    static void finish(const float* output, float sum, int32_t head_dim, float* y) {
        const V divisor = V::all(sum);
        int64_t i = 0;
        for (; i + 16 <= head_dim; i += 16) (V::load(output + i) / divisor).store(y + i);
        if (i < head_dim) (V::load(output + i) / divisor).store_first(y + i, head_dim - i);
    }

  private:
    // The rows dealt out to tiles of at most Tiles::kRows, as evenly as may be.
    struct RowTiles {
        static constexpr int64_t kMost = (kAttentionRows + Tiles::kRows - 1) / Tiles::kRows;
        int64_t count;
        int64_t first[kMost + 1];
        int64_t visible[kMost];  // keys that some row of the tile sees
        int64_t most_visible = 0;

        explicit RowTiles(const AttentionChunk& chunk) : count((chunk.rows + Tiles::kRows - 1) / Tiles::kRows) {
            for (int64_t tile = 0; tile <= count; tile++) first[tile] = chunk.rows * tile / count;
            for (int64_t tile = 0; tile < count; tile++) {
                visible[tile] = 0;
                for (int64_t row = first[tile]; row < first[tile + 1]; row++) {
                    if (chunk.visible[row] > visible[tile]) visible[tile] = chunk.visible[row];
                }
                if (visible[tile] > most_visible) most_visible = visible[tile];
            }
        }
    };

    static void round(const float* x, int32_t count, bf16* rounded) {
        if (count == 16)
            V::load(x).store(rounded);
        else
            V::load_first(x, count, 0.0f).store(rounded);
    }

    // What to fetch in step `step` of 2 * pages: from a cache, what the next step reads; from memory, keys and values
    // of one page after the other, of this chunk from page kAttentionLeadPages, then of the next.
    static const bf16* fetched_at(const AttentionChunk& chunk, int64_t pages, int64_t step) {
        const int64_t values = kPageKeys * chunk.head_dim;
        if (chunk.next_pages == nullptr) {
            const int64_t next = step + 1;
            if (next < pages) return chunk.pages[next];
            return next < 2 * pages ? chunk.pages[next - pages] + values : nullptr;
        }
        const int64_t left = pages > kAttentionLeadPages ? 2 * (pages - kAttentionLeadPages) : 0;
        const int64_t part = step < left ? step + 2 * kAttentionLeadPages : step - left;
        if (step >= left && part >= 2 * kAttentionLeadPages) return nullptr;
        const bf16* page = (step < left ? chunk.pages : chunk.next_pages)[part / 2];
        return page == nullptr || part % 2 == 0 ? page : page + values;
    }

    static void products_with_keys(const AttentionChunk& chunk, const RowTiles& tiles, float* scores) {
        const int64_t pages = (tiles.most_visible + kPageKeys - 1) / kPageKeys;
        for (int64_t page = 0; page < pages; page++) {
            const bf16* ahead = fetched_at(chunk, pages, page);
            const bf16* values = chunk.next_pages == nullptr ? chunk.pages[page] + kPageKeys * chunk.head_dim : nullptr;
            for (int64_t tile = 0; tile < tiles.count; tile++) {
                const int64_t rest = tiles.visible[tile] - page * kPageKeys;
                const int64_t vectors = rest >= kPageKeys ? kPageKeys / 16 : (rest + 15) / 16;
                const int64_t row = tiles.first[tile], rows = tiles.first[tile + 1] - row;
                for (int64_t vector = 0; vector < vectors; vector += Tiles::kVectors) {
                    // 2 lines a unit of head_dim in head_dim/2 steps, shared by the tiles of this page.
                    constexpr int64_t kParts = kPageKeys / 16 / Tiles::kVectors;
                    const auto share = [&](const bf16* from) {
                        return FetchAhead::share(from, 4, chunk.head_dim / 2, tile * kParts + vector / Tiles::kVectors,
                                                 tiles.count * kParts);
                    };
                    const int64_t width = vectors - vector < Tiles::kVectors ? vectors - vector : Tiles::kVectors;
                    Tiles::scores(
                        rows, width,
                        {chunk.queries + row * chunk.head_dim, chunk.pages[page] + vector * 32, chunk.head_dim,
                         scores + row * kChunkKeys + page * kPageKeys + vector * 16, share(ahead), share(values)});
                }
            }
        }
    }

    // p of the first `visible` keys and zeros up to `extent` (rounded up to 32); p may begin where the scores do.
    static void softmax(const float* scores, int64_t visible, int64_t extent, float scale, bf16* p, float& maximum,
                        float& sum) {
        V lanes = V::all(kLowest);
        int64_t key = 0;
        for (; key + 16 <= visible; key += 16) lanes = max(V::load(scores + key), lanes);
        if (key < visible) lanes = max(V::load_first(scores + key, visible - key, kLowest), lanes);
        maximum = max_of_lanes(lanes);
        const V c = V::all(scale), shift = V::all(-(maximum * scale));
        const auto probability = [&](V s) { return math::exp2(fma(s, c, shift)); };
        V sums = V::all(0.0f);
        for (key = 0; key + 32 <= visible; key += 32) {
            sums =
                add_pairs(sums, probability(V::load(scores + key)), probability(V::load(scores + key + 16)), p + key);
        }
        if (key < visible) {
            const int64_t rest = visible - key;
            const auto masked = [&](int64_t offset) {
                if (rest >= offset + 16) return probability(V::load(scores + key + offset));
                if (rest <= offset) return V::all(0.0f);
                return keep_first(probability(V::load(scores + key + offset)), rest - offset);
            };
            sums = add_pairs(sums, masked(0), masked(16), p + key);
            key += 32;
        }
        sum = sum_of_lanes(sums);
        for (; key < extent; key += 16) V::all(0.0f).store(p + key);
    }

    static void products_with_values(const AttentionChunk& chunk, const RowTiles& tiles, const bf16* probabilities,
                                     float* output) {
        const int64_t stride = output_stride(chunk.head_dim);
        const V zero = V::all(0.0f);
        for (int64_t i = 0; i < chunk.rows * stride; i += 16) zero.store(output + i);
        const int64_t pages = (tiles.most_visible + kPageKeys - 1) / kPageKeys;
        // Streamed values pass through the first-level cache page by page; others come from the second level.
        const int64_t at_once = chunk.next_pages != nullptr ? 1 : 2;
        for (int64_t page = 0; page < pages; page += at_once) {
            const bf16* ahead = fetched_at(chunk, pages, pages + page);
            for (int64_t vector = 0; vector < stride / 16; vector += Tiles::kVectors) {
                const int64_t rest = stride / 16 - vector, width = rest < Tiles::kVectors ? rest : Tiles::kVectors;
                for (int64_t tile = 0; tile < tiles.count; tile++) {
                    const int64_t keys = tiles.visible[tile] - page * kPageKeys;
                    if (keys <= 0) continue;
                    const int64_t most = at_once * kPageKeys, row = tiles.first[tile];
                    // 2 lines an output over the 32 pairs of a page: `width` lines a step.
                    const bf16* from = ahead != nullptr ? ahead + vector * 16 * 64 : nullptr;
                    const auto fetch = FetchAhead::share(from, width, kPageKeys / 2, tile, tiles.count);
                    Tiles::outputs(tiles.first[tile + 1] - row, width,
                                   {probabilities + row * kProbabilityStride + page * kPageKeys, chunk.pages + page,
                                    ((keys < most ? keys : most) + 1) / 2, vector * 16, chunk.head_dim,
                                    output + row * stride, stride, fetch});
                }
            }
        }
        for (int64_t i = 0; i < chunk.rows * stride; i += 16) (V::load(output + i) + zero).store(output + i);
    }
};

}  // namespace hone::math
