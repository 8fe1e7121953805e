// Attention over the pages of one KV head, rule 4 of numerics.md. Leaves: no allocation, no threads. The plain loops in
// reference/attention_kernels.cpp are the specification, and every ISA gives their bits. Callers have denormals
// flushed.
//
// Products of bf16 follow the VDPBF16PS chain: acc = fma(x[odd], y[odd], acc), then acc = fma(x[even], y[even], acc).
#pragma once

#include <cstdint>

#include "math/tensor/bf16.h"

namespace hone::math {

constexpr int32_t kAttentionRows = 24;       // most query rows in one call of attend
constexpr int32_t kAttentionChunkPages = 8;  // pages of 64 keys in a chunk
constexpr int32_t kAttentionLeadPages = 4;   // pages fetched before their chunk is attended to

// Length of a row of partial outputs: head_dim rounded up to 16, so that rows keep their alignment.
[[gnu::always_inline]] constexpr int64_t output_stride(int32_t head_dim) {
    return (int64_t{head_dim} + 15) / 16 * 16;
}

// Some query rows against one chunk of 512 keys.
struct AttentionChunk {
    const bf16* queries = nullptr;     // [rows][head_dim]
    const int32_t* visible = nullptr;  // [rows] how many keys of the chunk a row sees, from its start: 0..512
    int32_t rows = 0;                  // 1..kAttentionRows
    int32_t head_dim = 0;              // even
    float scale = 0;                   // c of rule 4
    // For each page with a visible key, the KV head's part: keys [head_dim/2][64][2], then values [32][head_dim][2].
    const bf16* const* pages = nullptr;
    // Null, or keys and values come from memory rather than from a cache: they are fetched ahead, kAttentionLeadPages
    // pages before their use, in the order of their addresses. These are the first kAttentionLeadPages pages (null
    // where there is none) of the chunk that will probably be attended to next.
    const bf16* const* next_pages = nullptr;
};

// The softmax of a row over a part of its keys, not yet divided: maximum score, sum of p, sum of p * v. A row that sees
// no key of the part has the sum 0, and its other values mean nothing.
struct AttentionPart {
    float* maximum = nullptr;  // [rows]
    float* sum = nullptr;      // [rows]
    float* output = nullptr;   // [rows][output_stride(head_dim)], 64-byte aligned
};

constexpr int32_t kAttentionGradientRows = 96;  // most query rows in one call of add_gradients

// Some query rows of one head against one page of 64 keys, for the backward pass. Row r sees the page's keys from its
// start, first_visible + r of them (none below 0, all from 64).
struct AttentionGradientBlock {
    int32_t rows = 0;           // 1..kAttentionGradientRows
    int32_t first_visible = 0;  // of row 0; the last row sees a key
    int32_t head_dim = 0;       // even
    float scale = 0;            // c of rule 4
    // Queries and gradients of the outputs, as rows [rows][head_dim] and as pairs of rows [rows/2][stride][2], with
    // stride = output_stride(head_dim); the second row of the last pair is zero if rows is odd.
    const bf16* queries = nullptr;
    const bf16* dy = nullptr;
    const bf16* query_pairs = nullptr;
    const bf16* dy_pairs = nullptr;
    const float* log_sums = nullptr;  // [rows] log2 of the sum over the row's keys of exp2(c * s)
    const float* dots = nullptr;      // [rows] dy . y, dy as rounded
    // The KV head's part of the page, keys in both layouts and values in that of the keys.
    const bf16* keys = nullptr;       // [head_dim/2][64][2]
    const bf16* key_pairs = nullptr;  // [32][stride][2]
    const bf16* values = nullptr;     // [head_dim/2][64][2]
    float* dq = nullptr;              // [rows][stride]
    float* dk = nullptr;              // [64][stride]
    float* dv = nullptr;              // [64][stride]
};

struct AttentionKernels {
    template <class Function>
    struct Entry {
        const char* name;
        Function* run;
    };

    // One row of keys or values, rounded to bf16, into slot 0..63 of a page: [head_dim/2][64][2] and [32][head_dim][2].
    Entry<void(const float* key, int32_t slot, int32_t head_dim, bf16* page)> store_key;
    Entry<void(const float* value, int32_t slot, int32_t head_dim, bf16* page)> store_value;

    // Scores, exact maximum, p = bf16(exp2(fma(s, c, -(m * c)))), l in 16 lanes by key pair and the halving tree, o one
    // chain an output over ascending key pairs; +0 is added to o at the end, so that a chain of nothing but -0 and one
    // with masked keys behind it agree.
    Entry<void(const AttentionChunk& chunk, const AttentionPart& part)> attend;

    // into = into merged with the part that follows it, rows [0, rows): m = max(m1, m2), e_i = exp2(c * (m_i - m)), and
    // for l and each o: x = fma(x2, e2, x1 * e1). A part with sum 0 is skipped; the first part of all is taken as it
    // is.
    Entry<void(const AttentionPart& part, int32_t rows, int32_t head_dim, float scale, const AttentionPart& into)>
        merge;

    // y = o / l for one row of head_dim outputs.
    Entry<void(const float* output, float sum, int32_t head_dim, float* y)> finish;

    // pairs[2i] = bf16(even[i]), pairs[2i + 1] = bf16(odd[i]), or 0 if odd is null, i < n.
    Entry<void(const float* even, const float* odd, int64_t n, bf16* pairs)> round_pairs;
    // y[column][row] = x[row][column] in units of 2 by 2 values, [rows][columns][2][2] with the inner two exchanged:
    // [a/2][b][2] of a page becomes [b/2][a][2]. Strides, from one row of units to the next, in values.
    Entry<void(const bf16* x, int64_t rows, int64_t columns, int64_t x_stride, bf16* y, int64_t y_stride)>
        transpose_pairs;
    // x . y by rule 2, with fused chains and zeros behind the end.
    Entry<float(const bf16* x, const float* y, int64_t n)> dot;
    // For each row r and key j that it sees: s and dp as chains of bf16 over the head dimension (q . k and dy . v),
    // p = exp2(fma(s, c, -log_sum_r)), ds = p * (dp - dot_r); then, p and ds rounded to bf16, chains that go on in
    // memory: dq_r += ds k_j over ascending pairs of keys, dk_j += ds q_r and dv_j += p dy_r over ascending pairs of
    // rows. A key that a row does not see is a zero in p and ds; such zeros may be left out at either end of a chain.
    Entry<void(const AttentionGradientBlock& block)> add_gradients;
    // dx_i = fma(sum_i + 0, scale, dx_i): a chain that ends at -0 or, with left out zeros, at +0 adds the same.
    Entry<void(const float* sums, float scale, float* dx, int64_t n)> add_scaled;

    void for_each_name(auto&& visit) const {
        visit(store_key.name), visit(store_value.name), visit(attend.name), visit(merge.name), visit(finish.name);
        visit(round_pairs.name), visit(transpose_pairs.name), visit(dot.name), visit(add_gradients.name),
            visit(add_scaled.name);
    }
};

// c = log2(e) / sqrt(head_dim), both operations in fp32.
float attention_scale(int32_t head_dim);

namespace reference {
const AttentionKernels& attention_kernels();
}
namespace avx2 {
const AttentionKernels& attention_kernels();
}
namespace avx512_fma {
const AttentionKernels& attention_kernels();
}
namespace avx512 {
const AttentionKernels& attention_kernels();
}

}  // namespace hone::math
