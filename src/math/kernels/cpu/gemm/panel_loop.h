// The loops around a tile: panels, blocks of k, row tiles; and what to prefetch meanwhile. One for all classes and
// ISAs; a nest (f32_f32.h, bf16_bf16.h, bf16_int4g32.h, i8_int4g32.h) gives the layouts and the tile.
#pragma once

#include "math/kernels/cpu/gemm/tile_task.h"
#include "math/kernels/gemm_kernels.h"

namespace hone::math {

// With this few tiles, weights come from memory and are wanted in L1; with more, fetching to L2 leaves L1 to the
// present panel.
constexpr int64_t kNearTiles = 4;

// How far ahead of its use a weight is asked for when rows are few: 9 KiB cover the latency of DRAM (4.5 KiB do not).
constexpr int64_t kPrefetchDistance = 9216;

// Values of k in a block when there are as few blocks of at most `most` as may be, of one size up to a line of
// activations. k >= 1.
[[gnu::always_inline]] inline int64_t equal_blocks(int64_t k, int64_t most) {
    constexpr int64_t kLine = 2 * kGroup;
    const int64_t blocks = (k + most - 1) / most;
    return ((k + blocks - 1) / blocks + kLine - 1) / kLine * kLine;
}

// What a lone tile will not have asked for when it begins.
[[gnu::always_inline]] inline void prefetch_start(const std::byte* weights) {
    for (int64_t at = 0; at < kPrefetchDistance; at += 64) __builtin_prefetch(weights + at, 0, 3);
}

// The outputs that the next tile starts from, if they are as many rows; this one's are there already.
[[gnu::always_inline]] inline void prefetch_outputs(const TileTask& task, int64_t rows) {
    for (int64_t row = rows; row < 2 * rows; row++) {
        const float* y = task.y + row * task.y_stride;
        for (int32_t column = 0; column < task.columns && column < 64; column += 16) __builtin_prefetch(y + column, 1);
    }
}

// One row tile on one panel, in passes of as many columns as the registers hold; uses up w, y, columns and ahead_lines.
// The task is passed in place: copying what has just been written field by field would wait until the processor has
// finished the tile before (a load that spans several stores in flight), which costs 5 % at k = 768.
template <class Nest, class Lanes, int rows>
void run_tile(TileTask& task) {
    constexpr int32_t kColumns = Nest::vectors(rows) * Lanes::kCount;
    for (int32_t column = 0; column < Nest::kPanel.columns && task.columns > 0; column += kColumns) {
        Nest::template tile<rows>(task);
        task.w += kColumns * 4;  // a column takes 4 bytes in every part of every step
        task.y += kColumns;
        task.columns -= kColumns;
        task.ahead_lines = 0;
    }
}

template <template <class> class NestOf, class Lanes>
void gemm(const GemmTask& task) {
    using Nest = NestOf<Lanes>;
    static constexpr void (*kRunTile[kTileRows])(TileTask&) = {run_tile<Nest, Lanes, 1>, run_tile<Nest, Lanes, 2>,
                                                               run_tile<Nest, Lanes, 3>, run_tile<Nest, Lanes, 4>,
                                                               run_tile<Nest, Lanes, 5>, run_tile<Nest, Lanes, 6>};
    constexpr ActivationLine kLine = line_of(Nest::kActivations);
    const EvenSplit tiles = row_tiles(task.rows);
    const int64_t fewest_rows = tiles.total / tiles.parts, longer_tiles = tiles.total % tiles.parts;
    const int64_t row_bytes = activation_row_bytes(Nest::kActivations, task.k);
    const int64_t block_k = tiles.parts == 1 ? task.k : equal_blocks(task.k, Nest::kBlockK);

    for (int32_t panel = task.first_panel; panel < task.first_panel + task.panels; panel++) {
        const std::byte* panel_data = task.weight + panel * Nest::kPanel.panel_bytes(task.k);
        float* y = task.y + int64_t{panel - task.first_panel} * Nest::kPanel.columns;
        for (int64_t k = 0; k < task.k; k += block_k) {
            TileTask tile{};
            tile.y_stride = task.y_stride;
            tile.k = static_cast<int32_t>(task.k - k < block_k ? task.k - k : block_k);
            tile.continues = k > 0 || task.adds;
            constexpr int64_t kStepLines = Nest::kPanel.panel_bytes(Nest::kPrefetchK) / 64;
            const auto ahead_lines = static_cast<int32_t>((kStepLines + tiles.parts - 1) / tiles.parts);
            const std::byte* const block = panel_data + Nest::kPanel.panel_bytes(k);
            const int64_t block_bytes = Nest::kPanel.panel_bytes(tile.k);
            const bool leads_away =
                task.next != nullptr && panel + 1 == task.first_panel + task.panels && k + tile.k == task.k;
            tile.ahead_is_near = tiles.parts <= kNearTiles;
            if (tiles.parts > 1) {  // the block that comes next, shared out among the tiles of this one
                tile.ahead = leads_away ? task.next : block + block_bytes;
                tile.ahead_end = tile.ahead + block_bytes;
            } else {  // a lone tile runs ahead of itself
                tile.ahead = block + kPrefetchDistance;
                tile.ahead_end = block + block_bytes + (leads_away ? 0 : kPrefetchDistance);
                if (leads_away) prefetch_start(task.next);
            }
            for (int64_t t = 0, first = 0, rows; t < tiles.parts; t++, first += rows) {
                rows = fewest_rows + (t < longer_tiles ? 1 : 0);
                tile.x = task.activations + first * row_bytes + k / kLine.k * rows * kLine.bytes;
                tile.w = block;
                tile.y = y + first * task.y_stride;
                tile.columns = task.n - panel * Nest::kPanel.columns;
                tile.ahead_lines = ahead_lines;
                if (tile.continues) prefetch_outputs(tile, rows);
                kRunTile[rows - 1](tile);
                tile.ahead += tile.k / Nest::kPrefetchK * ahead_lines * 64;
            }
        }
    }
}

}  // namespace hone::math
