// Matrix products of row tiles with weight panels, and the preparation of their activations. Layouts:
// quant/packed_layout.h. Leaves: no allocation, no threads. The plain loops in reference/gemm_kernels.cpp are the
// specification, and every ISA gives their bits, for any number of rows and any split of the panels. Callers have
// denormals flushed (base/cpu_features.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "math/quant/packed_layout.h"

namespace hone::math {

// y[row][column] for all rows of a block and the columns of some panels.
struct GemmTask {
    const std::byte* activations = nullptr;  // row tiles of the block, in the kernel's activation format
    int32_t rows = 0;                        // >= 1
    const std::byte* weight = nullptr;       // the whole packed matrix
    int32_t n = 0, k = 0;                    // its logical extents
    int32_t first_panel = 0, panels = 0;
    float* y = nullptr;    // row 0, first column of first_panel; columns at or beyond n are not written
    int64_t y_stride = 0;  // elements between rows
    bool adds = false;     // the chains go on from y, not from 0
    // Weights that will probably be read after these panels, to be fetched in time; null: those that follow in memory.
    const std::byte* next = nullptr;
};

// Part of a packed weight W [n, k], transposed: a panel of a packed matrix [k, n], for products over n (dX = dY W).
struct TransposeTask {
    const std::byte* weight = nullptr;  // the whole packed matrix
    int32_t n = 0, k = 0;               // its logical extents
    int32_t first_n = 0, count_n = 0;   // rows of W, the panel's steps: from a multiple of 16, within n
    int32_t first_k = 0;                // columns of W, the panel's columns: from a multiple of their number, below k
    // Room for count_n rounded up to 16. Behind the last row of an odd n comes what the packed weight is padded with, a
    // zero; other rows behind count_n, and columns at or beyond k, are unspecified.
    std::byte* panel = nullptr;
};

struct GemmKernels {
    template <class Function>
    struct Entry {
        const char* name;
        Function* run;
    };

    using Gemm = Entry<void(const GemmTask& task)>;
    // acc = fma(x_k, w_k, acc), k ascending.
    Gemm f32_f32;
    // f32seq: pairs of k ascending, acc = fma(x_odd, w_odd, acc), then acc = fma(x_even, w_even, acc).
    Gemm bf16_bf16;
    // f32seq: that chain from 0 over the codes of each group, then acc = fma(group_sum, s_w, acc), groups ascending.
    Gemm bf16_int4g32;
    // i8g32: exact dot of each group, then acc = fma(float(dot), s_w * s_x, acc), groups ascending.
    Gemm i8_int4g32;
    // i8p32: the same; s_x is a power of two, so that the product of the scales is exact.
    Gemm i8p32_int4g32;

    // Writes a row of k values as lines, each line_stride bytes behind the one before it; the last is padded with
    // zeros.
    using PrepareRow = Entry<void(const float* x, int64_t k, std::byte* lines, int64_t line_stride)>;
    PrepareRow prepare_f32;
    // Rounds to nearest, ties to even; denormals are zero.
    PrepareRow prepare_bf16;
    // As quantise_int8_row (quant/int8_g32.h).
    PrepareRow prepare_i8g32, prepare_i8p32;

    // Products over rows (dW = dY^T X) read their operands as they lie in memory, column by column. A block of `rows`
    // rows of activations, row i of them being column i of x [k, rows].
    using TileColumns = Entry<void(const float* x, int64_t stride, int64_t k, int64_t rows, std::byte* block)>;
    TileColumns tile_columns_f32, tile_columns_bf16;
    // A panel of a packed matrix [columns, k], its column i being column i of x [k, columns]; columns up to the panel's.
    // The columns behind them are zero.
    using PackColumns = Entry<void(const float* x, int64_t stride, int64_t k, int64_t columns, std::byte* panel)>;
    PackColumns pack_columns_f32, pack_columns_bf16;

    // To a panel of the format f32 from f32, to one of bf16 from the others; a weight of int4_g32 is round_to_bf16(code *
    // scale).
    using Transpose = Entry<void(const TransposeTask& task)>;
    Transpose transpose_f32, transpose_bf16, transpose_int4g32;

    // y = sum over i < count of weights[i] * the row at rows + positions[i] * stride: fused chains from 0, i ascending.
    Entry<void(const float* rows, int64_t stride, const int32_t* positions, const float* weights, int64_t count,
               float* y, int64_t n)>
        weighted_sum;

    // sum of a_i b_i by rule 2 of numerics.md: element i belongs to lane i mod 16, a lane is one fused chain from +0, and
    // the lanes are added as lane i + lane i+8, then +4, +2, +1.
    Entry<float(const float* a, const float* b, int64_t n)> dot;

    // The most that the processor can do of a class: `turns` times a loop of its dot instruction on registers.
    struct Peak {
        Entry<void(int64_t turns)> loop;
        double operations;  // in a turn, a multiplication and an addition counting as two
    };
    Peak peak_f32, peak_bf16, peak_i8;

    // Calls visit(name) for each, in the order above.
    void for_each_name(auto&& visit) const {
        for (const Gemm* gemm : {&f32_f32, &bf16_bf16, &bf16_int4g32, &i8_int4g32, &i8p32_int4g32}) visit(gemm->name);
        for (const PrepareRow* prepare : {&prepare_f32, &prepare_bf16, &prepare_i8g32, &prepare_i8p32})
            visit(prepare->name);
        for (const TileColumns* tile : {&tile_columns_f32, &tile_columns_bf16}) visit(tile->name);
        for (const PackColumns* pack : {&pack_columns_f32, &pack_columns_bf16}) visit(pack->name);
        for (const Transpose* transpose : {&transpose_f32, &transpose_bf16, &transpose_int4g32}) visit(transpose->name);
        visit(weighted_sum.name), visit(dot.name);
        for (const Peak* peak : {&peak_f32, &peak_bf16, &peak_i8}) visit(peak->loop.name);
    }
};

namespace reference {
const GemmKernels& gemm_kernels();
}
namespace avx2 {
const GemmKernels& gemm_kernels();
}
namespace avx512_fma {
const GemmKernels& gemm_kernels();
}
namespace avx512 {
const GemmKernels& gemm_kernels();
}

}  // namespace hone::math
