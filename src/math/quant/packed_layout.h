// Where every value of a packed weight matrix and of a tile of activations lies in memory. The kernels read nothing
// else; pack and unpack (weight.h), the reference kernels and the pack file follow these drawings. Pure arithmetic, no
// state.
//
// Weights W [n, k] are cut into panels of `columns` outputs (rows of W). A panel is contiguous, its steps along k
// ascend:
//
//   f32       panel of 32 columns, step of 1 k:   32 fp32                                         128 bytes
//   bf16      panel of 64 columns, step of 2 k:   64 pairs of bf16 {even k, odd k}                256 bytes
//   int4_g32  panel of 32 columns, step of 64 k, two groups of 32:                               1152 bytes
//                +0     group 0: four times [32 columns] dwords of 8 codes, k = 8 q + 0..7        512 bytes
//                +512   scales: [32 columns] pairs of bf16 {group 0, group 1}                     128 bytes
//                +640   group 1, as group 0                                                       512 bytes
//   bf16_rows no panels: W row by row
//
// A dword of 8 codes, each stored as code + 8 in 4 bits (pair j holds k = 2 j and 2 j + 1; even k in the low half word):
//
//   bits  31..28 27..24 23..20 19..16 | 15..12 11..8  7..4  3..0
//   k        7      5      3      1   |    6      4     2     0
//
// so that a 16-bit lane shifted by 4 j looks up bf16 codes, and the low (high) nibbles of its bytes are k 0 4 1 5 (2 6
// 3 7) for byte dot products. Columns beyond n hold zero bytes and are never stored to; k beyond the last group of 32
// is never read; k between the real k and the end of the last group has code 0 and scale as the group. Odd k: bf16
// pairs end in a zero.
//
// Activations X [m, k]: a row is a sequence of lines along k, padded with zeros:
//
//   f32       16 k: 16 fp32                                                                        64 bytes
//   bf16      32 k: 32 bf16                                                                        64 bytes
//   i8_g32    32 k: 32 int8, each 8 in the order k 0 4 1 5 2 6 3 7; fp32 scale;
//                   int32 -8 * sum of the 32                                                       40 bytes
//   i8_p32    the same, but for the scale 2^e a pair of bf16 {2^e, e + 1/2} (quant/int8_g32.h)     40 bytes
//
// Rows come in tiles of at most kTileRows: line 0 of each row of the tile, then line 1 of each, and so on. So a tile of
// one row is the row, and rows are gathered into tiles by copying lines.
//
// Everything is inlined always: files compiled for one ISA must not leave a copy that others may be linked to.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hone::math {

constexpr int32_t kGroup = 32;    // k in a quantisation group, of weights and of activations
constexpr int32_t kTileRows = 6;  // rows of activations whose accumulators a kernel keeps in registers

// Panels of `columns` rows of W, cut into steps of `step_k` values along k.
struct PanelLayout {
    int32_t columns, step_k, step_bytes;

    [[gnu::always_inline]] constexpr int64_t panel_bytes(int64_t k) const {
        return (k + step_k - 1) / step_k * step_bytes;
    }
};
inline constexpr PanelLayout kF32Panel{32, 1, 128}, kBf16Panel{64, 2, 256}, kInt4Panel{32, 2 * kGroup, 1152};
constexpr int32_t kInt4ScaleOffset = 512, kInt4OddGroupOffset = 640;

enum class ActivationFormat : uint8_t { f32, bf16, i8_g32, i8_p32 };
constexpr int32_t kActivationFormats = 4;

constexpr int32_t kI8LineBytes = 40, kI8ScaleOffset = 32, kI8StartOffset = 36;

struct ActivationLine {
    int32_t k;      // values in a line
    int32_t bytes;  // of a line
};

[[gnu::always_inline]] constexpr ActivationLine line_of(ActivationFormat format) {
    switch (format) {
        case ActivationFormat::f32:
            return {16, 64};
        case ActivationFormat::bf16:
            return {32, 64};
        case ActivationFormat::i8_g32:
        case ActivationFormat::i8_p32:
            break;
    }
    return {kGroup, kI8LineBytes};
}

// Bytes of a row of k activations.
[[gnu::always_inline]] constexpr int64_t activation_row_bytes(ActivationFormat format, int64_t k) {
    const ActivationLine line = line_of(format);
    return (k + line.k - 1) / line.k * line.bytes;
}

// `total` things in `parts` runs whose sizes differ by at most one, longer ones first. parts in [1, total], or both 0.
struct EvenSplit {
    int64_t total = 0, parts = 0;

    [[gnu::always_inline]] constexpr int64_t first(int64_t part) const {
        const int64_t extra = total % parts;
        return part * (total / parts) + (part < extra ? part : extra);
    }
    [[gnu::always_inline]] constexpr int64_t size(int64_t part) const {
        return total / parts + (part < total % parts ? 1 : 0);
    }
    [[gnu::always_inline]] constexpr int64_t part_of(int64_t index) const {
        const int64_t shorter = total / parts, in_longer = total % parts * (shorter + 1);
        return index < in_longer ? index / (shorter + 1) : total % parts + (index - in_longer) / shorter;
    }
};

// How a block of rows is cut into tiles. Tile t begins first(t) * activation_row_bytes into the block.
[[gnu::always_inline]] constexpr EvenSplit row_tiles(int64_t rows) {
    return {rows, (rows + kTileRows - 1) / kTileRows};
}

// Where the lines of a row of a block of `rows` lie: the first one, and the distance of each from the one before it.
// Byte is std::byte or const std::byte.
template <class Byte>
struct RowLines {
    Byte* first;
    int64_t stride;
};
template <class Byte>
[[gnu::always_inline]] constexpr RowLines<Byte> row_lines(ActivationFormat format, int64_t k, Byte* block, int64_t rows,
                                                          int64_t row) {
    const EvenSplit tiles = row_tiles(rows);
    const int64_t tile = tiles.part_of(row), row_in_tile = row - tiles.first(tile), line_bytes = line_of(format).bytes;
    return {block + tiles.first(tile) * activation_row_bytes(format, k) + row_in_tile * line_bytes,
            tiles.size(tile) * line_bytes};
}

// Position of element k (0..7) of an octet within its 8 bytes of a line of int8.
[[gnu::always_inline]] constexpr int32_t i8_position(int32_t k) {
    constexpr int8_t kPosition[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    return kPosition[k];
}

// Bit at which the code of element k (0..7) begins in its dword.
[[gnu::always_inline]] constexpr int32_t int4_bit(int32_t k) {
    return k % 2 * 16 + k / 2 * 4;
}

// Byte offset, from the panel's start, of the dword that holds the codes of octet k / 8 of a column.
[[gnu::always_inline]] constexpr int64_t int4_codes_offset(int64_t column, int64_t k) {
    return k / 64 * kInt4Panel.step_bytes + k / 32 % 2 * kInt4OddGroupOffset + k / 8 % 4 * 128 + column * 4;
}

// Byte offset, from the panel's start, of the bf16 scale of a column's group that holds element k.
[[gnu::always_inline]] constexpr int64_t int4_scale_offset(int64_t column, int64_t k) {
    return k / 64 * kInt4Panel.step_bytes + kInt4ScaleOffset + column * 4 + k / 32 % 2 * 2;
}

}  // namespace hone::math
