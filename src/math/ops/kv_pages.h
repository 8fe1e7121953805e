// Keys and values of attention in pages of kPageTokens tokens of one sequence: where a layer's part of a page lies, and what
// goes there.
#pragma once

#include <cstdint>
#include <span>

#include "math/ops/op_context.h"

namespace hone::math {

constexpr int32_t kPageTokens = 64;

// Rows [first_row, first_row + rows) of the batch are consecutive positions of one sequence. pages[p] is the page of
// positions [64 p, 64 p + 64); there are enough of them for the last row.
struct AttentionSegment {
    int32_t first_row = 0, rows = 0;
    int32_t first_position = 0;
    std::span<const int32_t> pages;
};

// One layer's keys and values in the page pool. Within a page, from layer_offset: for each KV head the keys
// [head_dim/2][64][2] bf16, then the values [32][head_dim][2] bf16. head_dim is even.
struct KvLayer {
    std::byte* pool = nullptr;  // page p begins at pool + p * page_bytes; 64-byte aligned
    size_t page_bytes = 0;
    size_t layer_offset = 0;
    int32_t kv_heads = 0, head_dim = 0;

    // A KV head's keys in a page; its values follow.
    const bf16* keys(int32_t page, int32_t kv_head) const;
};

// Bytes that one layer takes in a page.
constexpr size_t kv_layer_bytes(int32_t kv_heads, int32_t head_dim) {
    return size_t{2} * kPageTokens * static_cast<size_t>(kv_heads) * static_cast<size_t>(head_dim) * sizeof(bf16);
}

// Rounds k and v [T, kv_heads * head_dim] (k after rotary) to bf16 into the pages of their positions.
void store_kv(OpContext& context, std::span<const AttentionSegment> segments, MatrixView<const float> k,
              MatrixView<const float> v, const KvLayer& layer);

// Copies the keys and values of the first `rows` tokens of a page, of kv_heads KV heads that lie one after the other
// (of one layer, or of several), to the same place of another page. What lies behind those rows stays as it is.
void copy_kv_rows(const std::byte* from, std::byte* to, int64_t kv_heads, int32_t head_dim, int32_t rows);

// Ends the program where a segment has rows outside of the batch's or positions outside of its pages.
void check_segments(std::span<const AttentionSegment> segments, int64_t batch_rows);

}  // namespace hone::math
