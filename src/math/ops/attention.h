// Causal attention over paged keys and values (kv_pages.h), rule 4 of numerics.md: prefill, decode and mixed rows in one
// call. Every query row's bits depend on the row and on the keys and values before it alone.
#pragma once

#include "math/ops/kv_pages.h"

namespace hone::math {

constexpr int32_t kChunkTokens = 512;  // keys in a softmax chunk, anchored at position 0: eight pages

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
