// The specification of kernels/attention_kernels.h (numerics.md rule 4): one row, one key, one output at a time.

#include "math/kernels/attention_kernels.h"

#include "math/kernels/elementary.h"
#include "math/kernels/reference/scalar_lane.h"

namespace hone::math {
namespace {

constexpr int32_t kPageKeys = 64;

float exp2_of(float x) {
    return exp2(ScalarLane{x}).value;
}

// One step of a bf16 chain: the odd elements first, then the even ones.
float pair_chain(float sum, bf16 even_x, bf16 even_y, bf16 odd_x, bf16 odd_y) {
    sum = __builtin_fmaf(to_float(odd_x), to_float(odd_y), sum);
    return __builtin_fmaf(to_float(even_x), to_float(even_y), sum);
}

void store_key(const float* key, int32_t slot, int32_t head_dim, bf16* page) {
    for (int32_t i = 0; i < head_dim; i++) page[(i / 2 * kPageKeys + slot) * 2 + i % 2] = round_to_bf16(key[i]);
}

void store_value(const float* value, int32_t slot, int32_t head_dim, bf16* page) {
    for (int32_t i = 0; i < head_dim; i++) page[(slot / 2 * head_dim + i) * 2 + slot % 2] = round_to_bf16(value[i]);
}

float score(const bf16* query, const bf16* page, int32_t slot, int32_t head_dim) {
    float sum = 0;
    for (int32_t pair = 0; pair < head_dim / 2; pair++) {
        const bf16* key = page + (pair * kPageKeys + slot) * 2;
        sum = pair_chain(sum, query[2 * pair], key[0], query[2 * pair + 1], key[1]);
    }
    return sum;
}

// The halving tree of rule 2.
float sum_of_lanes(float (&lanes)[16]) {
    for (int half = 8; half > 0; half /= 2) {
        for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
}

float sum_of_probabilities(const bf16* p) {
    constexpr bf16 kOne{0x3f80};
    float lanes[16] = {};
    for (int pair = 0; pair < kAttentionChunkPages * kPageKeys / 2; pair++) {
        float& lane = lanes[pair % 16];
        lane = pair_chain(lane, p[2 * pair], kOne, p[2 * pair + 1], kOne);
    }
    return sum_of_lanes(lanes);
}

void attend_row(const AttentionChunk& chunk, int32_t row, float& maximum, float& sum, float* output) {
    const int32_t visible = chunk.visible[row], head_dim = chunk.head_dim;
    float scores[kAttentionChunkPages * kPageKeys];
    bf16 p[kAttentionChunkPages * kPageKeys] = {};  // what is not visible stays zero
    maximum = -std::numeric_limits<float>::infinity();
    for (int32_t key = 0; key < visible; key++) {
        scores[key] = score(chunk.queries + row * head_dim, chunk.pages[key / kPageKeys], key % kPageKeys, head_dim);
        if (scores[key] > maximum) maximum = scores[key];
    }
    const float shift = -(maximum * chunk.scale);
    for (int32_t key = 0; key < visible; key++) {
        p[key] = round_to_bf16(exp2_of(__builtin_fmaf(scores[key], chunk.scale, shift)));
    }
    sum = sum_of_probabilities(p);
    for (int32_t i = 0; i < head_dim; i++) {
        float o = 0;
        for (int32_t key = 0; key < visible; key += 2) {
            const bf16* values = chunk.pages[key / kPageKeys] + kPageKeys * head_dim;
            const bf16* value = values + (key % kPageKeys / 2 * head_dim + i) * 2;
            o = pair_chain(o, p[key], value[0], p[key + 1], value[1]);
        }
        output[i] = o + 0.0f;
    }
}

void attend(const AttentionChunk& chunk, const AttentionPart& part) {
    for (int32_t row = 0; row < chunk.rows; row++) {
        attend_row(chunk, row, part.maximum[row], part.sum[row], part.output + row * output_stride(chunk.head_dim));
    }
}

void merge(const AttentionPart& part, int32_t rows, int32_t head_dim, float scale, const AttentionPart& into) {
    for (int32_t row = 0; row < rows; row++) {
        if (part.sum[row] == 0) continue;
        const float* o2 = part.output + row * output_stride(head_dim);
        float* o1 = into.output + row * output_stride(head_dim);
        if (into.sum[row] == 0) {
            into.maximum[row] = part.maximum[row];
            into.sum[row] = part.sum[row];
            for (int32_t i = 0; i < head_dim; i++) o1[i] = o2[i];
            continue;
        }
        const float m1 = into.maximum[row], m2 = part.maximum[row], m = m1 > m2 ? m1 : m2;
        const float e1 = exp2_of(scale * (m1 - m)), e2 = exp2_of(scale * (m2 - m));
        into.maximum[row] = m;
        into.sum[row] = __builtin_fmaf(part.sum[row], e2, into.sum[row] * e1);
        for (int32_t i = 0; i < head_dim; i++) o1[i] = __builtin_fmaf(o2[i], e2, o1[i] * e1);
    }
}

void finish(const float* output, float sum, int32_t head_dim, float* y) {
    for (int32_t i = 0; i < head_dim; i++) y[i] = output[i] / sum;
}

void round_pairs(const float* even, const float* odd, int64_t n, bf16* pairs) {
    for (int64_t i = 0; i < n; i++) {
        pairs[2 * i] = round_to_bf16(even[i]);
        pairs[2 * i + 1] = odd != nullptr ? round_to_bf16(odd[i]) : bf16{};
    }
}

void transpose_pairs(const bf16* x, int64_t rows, int64_t columns, int64_t x_stride, bf16* y, int64_t y_stride) {
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t column = 0; column < columns; column++) {
            const bf16* from = x + row * x_stride + column * 4;
            bf16* to = y + column * y_stride + row * 4;
            to[0] = from[0], to[1] = from[2], to[2] = from[1], to[3] = from[3];
        }
    }
}

float dot(const bf16* x, const float* y, int64_t n) {
    float lanes[16] = {};
    for (int64_t i = 0; i < (n + 15) / 16 * 16; i++) {
        lanes[i % 16] = __builtin_fmaf(i < n ? to_float(x[i]) : 0.0f, i < n ? y[i] : 0.0f, lanes[i % 16]);
    }
    return sum_of_lanes(lanes);
}

// p and ds of one row, over the keys of the page; zero where it does not see them.
void row_gradients(const AttentionGradientBlock& block, int32_t row, bf16* p, bf16* ds) {
    const int32_t head_dim = block.head_dim;
    for (int32_t key = 0; key < kPageKeys; key++) {
        p[key] = ds[key] = {};
        if (key >= block.first_visible + row) continue;
        const float s = score(block.queries + row * head_dim, block.keys, key, head_dim);
        const float dp = score(block.dy + row * head_dim, block.values, key, head_dim);
        const float probability = exp2_of(__builtin_fmaf(s, block.scale, -block.log_sums[row]));
        p[key] = round_to_bf16(probability);
        ds[key] = round_to_bf16(probability * (dp - block.dots[row]));
    }
}

void add_gradients(const AttentionGradientBlock& block) {
    const int64_t stride = output_stride(block.head_dim);
    for (int32_t row = 0; row < block.rows; row += 2) {
        bf16 p[2][kPageKeys] = {}, ds[2][kPageKeys] = {};
        for (int32_t i = 0; i < 2 && row + i < block.rows; i++) row_gradients(block, row + i, p[i], ds[i]);
        for (int32_t i = 0; i < 2 && row + i < block.rows; i++) {
            for (int32_t d = 0; d < block.head_dim; d++) {
                float& dq = block.dq[(row + i) * stride + d];
                for (int32_t key = 0; key < kPageKeys; key += 2) {
                    const bf16* k = block.key_pairs + (key / 2 * stride + d) * 2;
                    dq = pair_chain(dq, ds[i][key], k[0], ds[i][key + 1], k[1]);
                }
            }
        }
        for (int32_t key = 0; key < kPageKeys; key++) {
            for (int32_t d = 0; d < block.head_dim; d++) {
                const bf16* q = block.query_pairs + (row / 2 * stride + d) * 2;
                const bf16* dy = block.dy_pairs + (row / 2 * stride + d) * 2;
                float& dk = block.dk[key * stride + d];
                float& dv = block.dv[key * stride + d];
                dk = pair_chain(dk, ds[0][key], q[0], ds[1][key], q[1]);
                dv = pair_chain(dv, p[0][key], dy[0], p[1][key], dy[1]);
            }
        }
    }
}

void add_scaled(const float* sums, float scale, float* dx, int64_t n) {
    for (int64_t i = 0; i < n; i++) dx[i] = __builtin_fmaf(sums[i] + 0.0f, scale, dx[i]);
}

}  // namespace

const AttentionKernels& reference::attention_kernels() {
    static constexpr AttentionKernels kKernels{
        .store_key = {"store_key__reference", store_key},
        .store_value = {"store_value__reference", store_value},
        .attend = {"attend_bf16__reference", attend},
        .merge = {"merge_attention__reference", merge},
        .finish = {"finish_attention__reference", finish},
        .round_pairs = {"round_bf16_pairs__reference", round_pairs},
        .transpose_pairs = {"transpose_bf16_pairs__reference", transpose_pairs},
        .dot = {"dot__reference", dot},
        .add_gradients = {"add_attention_gradients_bf16__reference", add_gradients},
        .add_scaled = {"add_scaled__reference", add_scaled},
    };
    return kKernels;
}

}  // namespace hone::math
