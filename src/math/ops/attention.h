// Causal attention over paged keys and values, rule 4 of numerics.md: prefill, decode and mixed rows in one call. A
// cache page holds kPageTokens tokens of one sequence; where a layer's part lies in the page is described by KvLayer.
// Every query row's bits depend on the row and on the keys and values before it alone.
#pragma once

#include <cstdint>
#include <span>

#include "math/ops/op_context.h"

namespace hone::math {

constexpr int32_t kPageTokens = 64;    // tokens in a page
constexpr int32_t kChunkTokens = 512;  // keys in a softmax chunk, anchored at position 0: eight pages

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

// y [T, heads * head_dim] fp32 from q [T, heads * head_dim] after rotary, rounded to bf16 here. heads is a multiple of
// layer.kv_heads; query head h reads KV head h / (heads / kv_heads). Keys of the segment's own rows must be stored
// already. log_sums, unless empty, is [T, heads]: log2 of the sum over the keys of exp2(c * s), for the backward pass.
void attention(OpContext& context, std::span<const AttentionSegment> segments, MatrixView<const float> q, int32_t heads,
               const KvLayer& layer, MatrixView<float> y, MatrixView<float> log_sums = {});

// What attention was given and gave.
struct AttentionResults {
    MatrixView<const float> q, y;      // [T, heads * head_dim]
    MatrixView<const float> log_sums;  // [T, heads]
    int32_t heads = 0;
};

// dq [T, heads * head_dim], dk and dv [T, kv_heads * head_dim], of q and k after rotary.
struct AttentionGradients {
    MatrixView<float> dq, dk, dv;
};

// Adds the gradients of q, k and v to those in `into`, for segments that are whole documents: first_position 0, and keys
// and values of all their rows in the pages of `layer` still. They pass straight through the rounding of q, k and v.
// Products as in the forward pass: of values rounded to bf16 (p, ds, q, dy), fp32 sums. dq of a row is one chain over the
// keys; dk and dv of a key are one over the rows for each head, and the heads of the group are added in ascending order.
void attention_backward(OpContext& context, std::span<const AttentionSegment> segments, const KvLayer& layer,
                        const AttentionResults& results, MatrixView<const float> dy, const AttentionGradients& into);

}  // namespace hone::math
