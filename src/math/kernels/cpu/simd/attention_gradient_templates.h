// The backward pass of attention for some rows and one page of keys, written once and instantiated as
// simd/attention_templates.h is: over a type V of 16 fp32 lanes and a class Tiles with the products. What is computed is
// said in kernels/attention_kernels.h and spelled out in reference/attention_kernels.cpp.
#pragma once

#include "math/kernels/cpu/simd/attention_templates.h"

namespace hone::math {

// sums[row][i] += sum over pairs of factor * vector, some rows and 16 outputs a vector: chains over the pairs. Factors of
// neighbouring rows are Tiles::accumulate's kRowStride apart.
struct GradientTile {
    const bf16* factors;  // pair p of row 0 at factors + p * factor_stride
    int64_t factor_stride;
    const bf16* vectors;  // pair p of output 0 at vectors + p * vector_stride
    int64_t vector_stride;
    int64_t pairs;
    float* sums;  // [rows][stride]
    int64_t stride;
};

template <class V, class Tiles>
struct AttentionGradientTemplates {
    static constexpr int64_t kRows = Tiles::kRows;
    static_assert(kRows % 2 == 0 && kAttentionGradientRows % 2 == 0, "rows of a pair belong to one tile");

    static void round_pairs(const float* even, const float* odd, int64_t n, bf16* pairs) {
        int64_t i = 0;
        for (; i + 16 <= n; i += 16)
            store_pairs(V::load(even + i), odd != nullptr ? V::load(odd + i) : V::all(0.0f), pairs + 2 * i);
        if (i == n) return;
        const int64_t count = n - i;
        bf16 last[32];
        store_pairs(V::load_first(even + i, count, 0.0f),
                    odd != nullptr ? V::load_first(odd + i, count, 0.0f) : V::all(0.0f), last);
        for (int64_t j = 0; j < 2 * count; j++) pairs[2 * i + j] = last[j];
    }

    static void transpose_pairs(const bf16* x, int64_t rows, int64_t columns, int64_t x_stride, bf16* y,
                                int64_t y_stride) {
        const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
        for (int64_t column = 0; column < whole_columns; column += 4) {
            for (int64_t row = 0; row < whole_rows; row += 4)
                transpose_4_by_4(x + row * x_stride + column * 4, x_stride, y + column * y_stride + row * 4, y_stride);
        }
        for (int64_t row = 0; row < rows; row++) {
            for (int64_t column = row < whole_rows ? whole_columns : 0; column < columns; column++) {
                const bf16* from = x + row * x_stride + column * 4;
                bf16* to = y + column * y_stride + row * 4;
                to[0] = from[0], to[1] = from[2], to[2] = from[1], to[3] = from[3];
            }
        }
    }

    static float dot(const bf16* x, const float* y, int64_t n) {
        V lanes = V::all(0.0f);
        int64_t i = 0;
        for (; i + 16 <= n; i += 16) lanes = fma(V::load(x + i), V::load(y + i), lanes);
        if (i < n) lanes = fma(V::load_first(x + i, n - i), V::load_first(y + i, n - i, 0.0f), lanes);
        return sum_of_lanes(lanes);
    }

    static void add_gradients(const AttentionGradientBlock& block) {
        Coefficients coefficients;
        for (int64_t row = 0; row < block.rows; row += kRows) fill(block, row, coefficients);
        add_to_queries(block, coefficients);
        add_to_keys(block, coefficients.p_pairs, block.dy_pairs, block.dv);
        add_to_keys(block, coefficients.ds_pairs, block.query_pairs, block.dk);
    }

    static void add_scaled(const float* sums, float scale, float* dx, int64_t n) {
        const V factor = V::all(scale), zero = V::all(0.0f);
        int64_t i = 0;
        for (; i + 16 <= n; i += 16) fma(V::load(sums + i) + zero, factor, V::load(dx + i)).store(dx + i);
        if (i == n) return;
        fma(V::load_first(sums + i, n - i, 0.0f) + zero, factor, V::load_first(dx + i, n - i, 0.0f))
            .store_first(dx + i, n - i);
    }

  private:
    // Four units of 2 by 2 values.
    typedef uint64_t Units __attribute__((vector_size(32)));
    typedef uint16_t Values __attribute__((vector_size(32)));

    static void transpose_4_by_4(const bf16* x, int64_t x_stride, bf16* y, int64_t y_stride) {
        Units rows[4];
        for (int64_t i = 0; i < 4; i++) {
            Values values;
            __builtin_memcpy(&values, x + i * x_stride, sizeof(values));
            rows[i] = reinterpret_cast<Units>(
                __builtin_shuffle(values, Values{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15}));
        }
        const Units a = __builtin_shuffle(rows[0], rows[1], Units{0, 4, 2, 6});  // even columns of rows 0 and 1
        const Units b = __builtin_shuffle(rows[0], rows[1], Units{1, 5, 3, 7});
        const Units c = __builtin_shuffle(rows[2], rows[3], Units{0, 4, 2, 6});
        const Units d = __builtin_shuffle(rows[2], rows[3], Units{1, 5, 3, 7});
        const Units columns[4] = {
            __builtin_shuffle(a, c, Units{0, 1, 4, 5}), __builtin_shuffle(b, d, Units{0, 1, 4, 5}),
            __builtin_shuffle(a, c, Units{2, 3, 6, 7}), __builtin_shuffle(b, d, Units{2, 3, 6, 7})};
        for (int64_t i = 0; i < 4; i++)
            __builtin_memcpy(static_cast<void*>(y + i * y_stride), &columns[i], sizeof(Units));
    }

    // p and ds of a block, as the products want them. What a row does not see is zero.
    struct Coefficients {
        alignas(64) bf16 ds[kAttentionGradientRows * kPageKeys];        // [row][64]
        alignas(64) bf16 ds_pairs[kAttentionGradientRows * kPageKeys];  // [row/2][64][2]
        alignas(64) bf16 p_pairs[kAttentionGradientRows * kPageKeys];   // [row/2][64][2]
    };
    struct Pair {
        V p, ds;
    };

    static int64_t visible_keys(const AttentionGradientBlock& block, int64_t row) {
        const int64_t visible = block.first_visible + row;
        return visible < 0 ? 0 : visible < kPageKeys ? visible : kPageKeys;
    }
    static int64_t rows_of_tile(const AttentionGradientBlock& block, int64_t row) {
        return block.rows - row < kRows ? block.rows - row : kRows;
    }

    // Coefficients of the tile of rows from `row`.
    static void fill(const AttentionGradientBlock& block, int64_t row, Coefficients& into) {
        alignas(64) float scores[kRows * kChunkKeys];  // of 512 columns, 64 hold s and the next 64 dp
        const int64_t rows = rows_of_tile(block, row), vectors = (visible_keys(block, row + rows - 1) + 15) / 16;
        for (int64_t vector = 0; vector < vectors; vector += Tiles::kVectors) {
            const int64_t width = vectors - vector < Tiles::kVectors ? vectors - vector : Tiles::kVectors;
            float* tile = scores + vector * 16;
            Tiles::scores(
                rows, width,
                {block.queries + row * block.head_dim, block.keys + vector * 32, block.head_dim, tile, {}, {}});
            Tiles::scores(rows, width,
                          {block.dy + row * block.head_dim,
                           block.values + vector * 32,
                           block.head_dim,
                           tile + kPageKeys,
                           {},
                           {}});
        }
        for (int64_t i = 0; i < rows; i += 2) {
            const float* even = scores + i * kChunkKeys;
            for (int64_t key = 0; key < kPageKeys; key += 16) {
                const Pair a = coefficients_of(block, row + i, even, key);
                const Pair b =
                    i + 1 < rows ? coefficients_of(block, row + i + 1, even + kChunkKeys, key) : Pair{zero(), zero()};
                const int64_t pair = ((row + i) * kPageKeys / 2 + key) * 2;
                store_pairs(a.p, b.p, into.p_pairs + pair);
                store_pairs(a.ds, b.ds, into.ds_pairs + pair);
                a.ds.store(into.ds + (row + i) * kPageKeys + key);
                b.ds.store(into.ds + (row + i + 1) * kPageKeys + key);
            }
        }
    }

    static V zero() { return V::all(0.0f); }

    static Pair coefficients_of(const AttentionGradientBlock& block, int64_t row, const float* scores, int64_t key) {
        const int64_t seen = block.first_visible + row - key;
        if (seen <= 0) return {zero(), zero()};
        const V p = math::exp2(fma(V::load(scores + key), V::all(block.scale), V::all(-block.log_sums[row])));
        const V ds = p * (V::load(scores + kPageKeys + key) - V::all(block.dots[row]));
        if (seen >= 16) return {p, ds};
        return {keep_first(p, seen), keep_first(ds, seen)};
    }

    static void add_to_queries(const AttentionGradientBlock& block, const Coefficients& coefficients) {
        const int64_t stride = output_stride(block.head_dim);
        for (int64_t vector = 0; vector < stride / 16; vector += Tiles::kVectors) {
            const int64_t rest = stride / 16 - vector, width = rest < Tiles::kVectors ? rest : Tiles::kVectors;
            for (int64_t row = 0; row < block.rows; row += kRows) {
                const int64_t rows = rows_of_tile(block, row), pairs = (visible_keys(block, row + rows - 1) + 1) / 2;
                Tiles::template accumulate<kPageKeys>(
                    rows, width,
                    {coefficients.ds + row * kPageKeys, 2, block.key_pairs + vector * 32, stride * 2, pairs,
                     block.dq + row * stride + vector * 16, stride});
            }
        }
    }

    // sums[key] += factors of the key times `rows`, which are pairs of rows.
    static void add_to_keys(const AttentionGradientBlock& block, const bf16* factors, const bf16* rows, float* sums) {
        const int64_t stride = output_stride(block.head_dim), pairs = (block.rows + 1) / 2;
        for (int64_t vector = 0; vector < stride / 16; vector += Tiles::kVectors) {
            const int64_t rest = stride / 16 - vector, width = rest < Tiles::kVectors ? rest : Tiles::kVectors;
            for (int64_t key = 0; key < kPageKeys; key += kRows) {
                // The first row that sees the key, in its pair.
                const int64_t unseen = key + 1 - block.first_visible, first = unseen > 0 ? unseen / 2 : 0;
                if (first >= pairs) break;
                const int64_t keys = kPageKeys - key < kRows ? kPageKeys - key : kRows;
                Tiles::template accumulate<2>(
                    keys, width,
                    {factors + (first * kPageKeys + key) * 2, kPageKeys * 2, rows + (first * stride + vector * 16) * 2,
                     stride * 2, pairs - first, sums + key * stride + vector * 16, stride});
            }
        }
    }
};

}  // namespace hone::math
