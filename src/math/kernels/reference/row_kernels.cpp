// The specification of kernels/row_kernels.h: one element at a time, nothing clever.

#include "math/kernels/row_kernels.h"

#include "math/kernels/elementary.h"
#include "math/kernels/reference/scalar_lane.h"

namespace hone::math {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

float exp_of(float x) {
    return exp(ScalarLane{x}).value;
}

float sigmoid_of(float x) {
    return sigmoid(ScalarLane{x}).value;
}

// Rule 2: sixteen lanes, then the halving tree.
struct LaneSum {
    float lanes[16] = {};

    float total() {
        for (int half = 8; half > 0; half /= 2) {
            for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
        }
        return lanes[0];
    }
};

// The largest of the values that are not NaN; +0 rather than -0.
float maximum_of(const float* x, int64_t n, float divisor) {
    float maximum = kLowest;
    for (int64_t i = 0; i < n; i++) {
        const float z = x[i] / divisor;
        if (z > maximum) maximum = z;
    }
    return maximum + 0.0f;
}

float sum_of_exp(const float* x, int64_t n, float divisor, float maximum) {
    LaneSum sum;
    for (int64_t i = 0; i < n; i++) sum.lanes[i % 16] += exp_of(x[i] / divisor - maximum);
    return sum.total();
}

template <ScalarLane (*function)(ScalarLane)>
void map(const float* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = function(ScalarLane{x[i]}).value;
}

float sum_of_products(const float* x, const float* y, int64_t n) {
    LaneSum sum;
    for (int64_t i = 0; i < n; i++) sum.lanes[i % 16] = __builtin_fmaf(x[i], y[i], sum.lanes[i % 16]);
    return sum.total();
}

float inverse_rms(const float* x, float epsilon, int64_t n) {
    const float mean = sum_of_products(x, x, n) / static_cast<float>(n);
    return 1.0f / __builtin_sqrtf(mean + epsilon);
}

void rms_norm(const float* x, const float* weight, float epsilon, bool one_plus, float* y, int64_t n) {
    const float factor = inverse_rms(x, epsilon, n);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * factor * (one_plus ? 1.0f + weight[i] : weight[i]);
}

void rms_norm_backward(const RmsNormGradient& row, int64_t n) {
    const float factor = inverse_rms(row.x, row.epsilon, n);
    const auto inner = [&](int64_t i) { return row.dy[i] * (row.one_plus ? 1.0f + row.weight[i] : row.weight[i]); };
    LaneSum products;
    for (int64_t i = 0; i < n; i++) {
        products.lanes[i % 16] = __builtin_fmaf(inner(i), row.x[i], products.lanes[i % 16]);
    }
    const float mean = products.total() * factor / static_cast<float>(n);
    for (int64_t i = 0; i < n; i++) {
        const float normed = row.x[i] * factor;
        row.dx[i] = __builtin_fmaf(factor, __builtin_fmaf(-normed, mean, inner(i)), row.dx[i]);
        if (row.dweight) row.dweight[i] = __builtin_fmaf(row.dy[i], normed, row.dweight[i]);
    }
}

void turn(float cosine, float sine, float& a, float& b) {
    const float turned = __builtin_fmaf(a, cosine, -(b * sine));
    b = __builtin_fmaf(b, cosine, a * sine);
    a = turned;
}

void rotate_halves(const float* cosine, const float* sine, float* x, int64_t half) {
    for (int64_t i = 0; i < half; i++) turn(cosine[i], sine[i], x[i], x[half + i]);
}

void rotate_pairs(const float* cosine, const float* sine, float* x, int64_t half) {
    for (int64_t i = 0; i < half; i++) turn(cosine[2 * i], sine[2 * i], x[2 * i], x[2 * i + 1]);
}

void swiglu(const float* gate, const float* up, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = gate[i] * sigmoid_of(gate[i]) * up[i];
}

void swiglu_backward(const float* gate, const float* up, const float* dy, float* dgate, float* dup, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const float s = sigmoid_of(gate[i]), activated = gate[i] * s;
        dgate[i] = __builtin_fmaf(dy[i] * up[i], __builtin_fmaf(activated, 1.0f - s, s), dgate[i]);
        dup[i] = __builtin_fmaf(dy[i], activated, dup[i]);
    }
}

void add(const float* y, float* x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] += y[i];
}

void clamp(float limit, float* x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const float bounded = -limit > x[i] ? -limit : x[i];
        x[i] = limit < bounded ? limit : bounded;
    }
}

void clamp_backward(const float* x, float limit, float* dy, int64_t n) {
    for (int64_t i = 0; i < n; i++) dy[i] = limit < __builtin_fabsf(x[i]) ? 0.0f : dy[i];
}

void scale(float factor, float* x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] *= factor;
}

void widen_bf16(const bf16* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = to_float(x[i]);
}

void round_bf16(const float* x, bf16* y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = round_to_bf16(x[i]);
}

void softmax(const float* x, float* y, int64_t n) {
    const float maximum = maximum_of(x, n, 1);
    const float sum = sum_of_exp(x, n, 1, maximum);
    for (int64_t i = 0; i < n; i++) y[i] = exp_of(x[i] - maximum) / sum;
}

void softmax_backward(const float* y, const float* dy, float* dx, int64_t n) {
    const float sum = sum_of_products(y, dy, n);
    for (int64_t i = 0; i < n; i++) dx[i] = __builtin_fmaf(y[i], dy[i] - sum, dx[i]);
}

constexpr int64_t kChunk = 1024;  // of a vocabulary

void log_sum_exp(const float* logits, float temperature, LogSum* out, int64_t n) {
    float maximum = kLowest, sum = 0;
    for (int64_t start = 0; start < n; start += kChunk) {
        const int64_t count = n - start < kChunk ? n - start : kChunk;
        const float chunk_maximum = maximum_of(logits + start, count, temperature);
        const bool chunk_counts = chunk_maximum > kLowest, others_count = maximum > kLowest;
        const float chunk_sum = sum_of_exp(logits + start, count, temperature, chunk_counts ? chunk_maximum : 0.0f);
        const float both = chunk_maximum > maximum ? chunk_maximum : maximum;
        if (chunk_counts && others_count)
            sum = __builtin_fmaf(chunk_sum, exp_of(chunk_maximum - both), sum * exp_of(maximum - both));
        else
            sum += chunk_sum;
        maximum = both;
    }
    *out = {maximum, log(ScalarLane{sum}).value};
}

void logprobs(const float* logits, float temperature, LogSum sum, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = logits[i] / temperature - sum.maximum - sum.log_sum;
}

void logprobs_backward(float temperature, LogSum sum, const float* dlogprobs, float total, float* z, int64_t n) {
    const float share = -total / temperature;
    for (int64_t i = 0; i < n; i++) {
        const float probability = exp_of(z[i] / temperature - sum.maximum - sum.log_sum);
        z[i] = __builtin_fmaf(share, probability, dlogprobs ? dlogprobs[i] / temperature : 0.0f);
    }
}

float sum(const float* x, int64_t n) {
    float total = 0;
    for (int64_t start = 0; start < n; start += kChunk) {
        LaneSum chunk;
        for (int64_t i = 0; start + i < n && i < kChunk; i++) chunk.lanes[i % 16] += x[start + i];
        total += chunk.total();
    }
    return total;
}

}  // namespace

const RowKernels& reference::row_kernels() {
    static constexpr RowKernels kKernels{
        .exp = {"exp__reference", map<exp>},
        .exp2 = {"exp2__reference", map<exp2>},
        .log = {"log__reference", map<log>},
        .sigmoid = {"sigmoid__reference", map<sigmoid>},
        .tanh = {"tanh__reference", map<tanh>},
        .sin = {"sin__reference", map<sin>},
        .cos = {"cos__reference", map<cos>},
        .rms_norm = {"rms_norm__reference", rms_norm},
        .rms_norm_backward = {"rms_norm_backward__reference", rms_norm_backward},
        .rotate_halves = {"rotate_halves__reference", rotate_halves},
        .rotate_pairs = {"rotate_pairs__reference", rotate_pairs},
        .swiglu = {"swiglu__reference", swiglu},
        .swiglu_backward = {"swiglu_backward__reference", swiglu_backward},
        .add = {"add__reference", add},
        .clamp = {"clamp__reference", clamp},
        .clamp_backward = {"clamp_backward__reference", clamp_backward},
        .scale = {"scale__reference", scale},
        .widen_bf16 = {"widen_bf16__reference", widen_bf16},
        .round_bf16 = {"round_bf16__reference", round_bf16},
        .softmax = {"softmax__reference", softmax},
        .softmax_backward = {"softmax_backward__reference", softmax_backward},
        .log_sum_exp = {"log_sum_exp__reference", log_sum_exp},
        .logprobs = {"logprobs__reference", logprobs},
        .logprobs_backward = {"logprobs_backward__reference", logprobs_backward},
        .sum = {"sum__reference", sum},
    };
    return kKernels;
}

}  // namespace hone::math
