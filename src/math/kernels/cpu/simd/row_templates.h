// The row kernels, written once over a type of 16 lanes and instantiated by avx2/ and avx512/. What they compute is
// said in kernels/row_kernels.h and spelled out in reference/row_kernels.cpp. The lane type's name is part of every
// symbol that an instantiation leaves, so that the linker never takes code compiled for one ISA for that of another.
#pragma once

#include <cstdint>
#include <limits>

#include "math/kernels/cpu/prefetch_input.h"
#include "math/kernels/elementary.h"
#include "math/kernels/row_kernels.h"

namespace hone::math {

template <class V>
struct RowTemplates {
    static constexpr float kLowest = -std::numeric_limits<float>::infinity();

    // y_i = f(lanes of the inputs at i); the lanes behind the end hold zeros.
    template <class Function>
    [[gnu::always_inline]] static void map(int64_t n, float* y, Function f, auto... x) {
        int64_t i = 0;
        for (; i + 16 <= n; i += 16) {
            (prefetch_input(x + i), ...);
            f(V::load(x + i)...).store(y + i);
        }
        if (i < n) f(V::load_first(x + i, n - i, 0.0f)...).store_first(y + i, n - i);
    }

    // Calls f(lanes of the inputs) in order; the lanes behind the end hold `fill`.
    template <class Function>
    [[gnu::always_inline]] static void each(int64_t n, float fill, Function f, auto... x) {
        int64_t i = 0;
        for (; i + 16 <= n; i += 16) {
            (prefetch_input(x + i), ...);
            f(V::load(x + i)...);
        }
        if (i < n) f(V::load_first(x + i, n - i, fill)...);
    }

    static void exp(const float* x, float* y, int64_t n) {
        map(
            n, y, [](V a) { return math::exp(a); }, x);
    }
    static void exp2(const float* x, float* y, int64_t n) {
        map(
            n, y, [](V a) { return math::exp2(a); }, x);
    }
    static void log(const float* x, float* y, int64_t n) {
        map(
            n, y, [](V a) { return math::log(a); }, x);
    }
    static void sigmoid(const float* x, float* y, int64_t n) {
        map(
            n, y, [](V a) { return math::sigmoid(a); }, x);
    }
    static void tanh(const float* x, float* y, int64_t n) {
        map(
            n, y, [](V a) { return math::tanh(a); }, x);
    }
    static void sin(const float* x, float* y, int64_t n) {
        map(
            n, y, [](V a) { return math::sin(a); }, x);
    }
    static void cos(const float* x, float* y, int64_t n) {
        map(
            n, y, [](V a) { return math::cos(a); }, x);
    }

    static void rms_norm(const float* x, const float* weight, float epsilon, bool one_plus, float* y, int64_t n) {
        V squares = V::all(0.0f);
        each(
            n, 0.0f, [&](V a) { squares = fma(a, a, squares); }, x);
        const V factor = V::all(inverse_rms(squares, epsilon, n)), one = V::all(1.0f);
        if (one_plus)
            map(
                n, y, [&](V a, V w) { return a * factor * (one + w); }, x, weight);
        else
            map(
                n, y, [&](V a, V w) { return a * factor * w; }, x, weight);
    }

    static void rms_norm_backward(const RmsNormGradient& row, int64_t n) {
        if (row.one_plus)
            rms_norm_backward(row, n, [](V w) { return V::all(1.0f) + w; });
        else
            rms_norm_backward(row, n, [](V w) { return w; });
    }

    static void rotate_halves(const float* cosine, const float* sine, float* x, int64_t half) {
        const auto turn = [](V& a, V& b, V c, V s) {
            const V turned = fma(a, c, -(b * s));
            b = fma(b, c, a * s);
            a = turned;
        };
        int64_t i = 0;
        for (; i + 16 <= half; i += 16) {
            prefetch_input(x + i);
            prefetch_input(x + half + i);
            V a = V::load(x + i), b = V::load(x + half + i);
            turn(a, b, V::load(cosine + i), V::load(sine + i));
            a.store(x + i);
            b.store(x + half + i);
        }
        if (i == half) return;
        const int64_t rest = half - i;
        V a = V::load_first(x + i, rest, 0.0f), b = V::load_first(x + half + i, rest, 0.0f);
        turn(a, b, V::load_first(cosine + i, rest, 0.0f), V::load_first(sine + i, rest, 0.0f));
        a.store_first(x + i, rest);
        b.store_first(x + half + i, rest);
    }

    static void rotate_pairs(const float* cosine, const float* sine, float* x, int64_t half) {
        map(
            2 * half, x, [](V a, V c, V s) { return fma_alternating(a, c, swap_pairs(a) * s); }, x, cosine, sine);
    }

    static void swiglu(const float* gate, const float* up, float* y, int64_t n) {
        map(
            n, y, [](V g, V u) { return g * math::sigmoid(g) * u; }, gate, up);
    }
    static void swiglu_backward(const float* gate, const float* up, const float* dy, float* dgate, float* dup,
                                int64_t n) {
        const V one = V::all(1.0f);
        const auto add_to = [&](V& dg, V& du, V g, V u, V d) {
            const V s = math::sigmoid(g), activated = g * s;
            dg = fma(d * u, fma(activated, one - s, s), dg);
            du = fma(d, activated, du);
        };
        const float* const inputs[] = {gate, up, dy, dgate, dup};
        int64_t i = 0;
        for (; i + 16 <= n; i += 16) {
            for (const float* x : inputs) prefetch_input(x + i);
            V dg = V::load(dgate + i), du = V::load(dup + i);
            add_to(dg, du, V::load(gate + i), V::load(up + i), V::load(dy + i));
            dg.store(dgate + i);
            du.store(dup + i);
        }
        if (i == n) return;
        const auto load = [&](const float* x) { return V::load_first(x + i, n - i, 0.0f); };
        V dg = load(dgate), du = load(dup);
        add_to(dg, du, load(gate), load(up), load(dy));
        dg.store_first(dgate + i, n - i);
        du.store_first(dup + i, n - i);
    }
    static void add(const float* y, float* x, int64_t n) {
        map(
            n, x, [](V a, V b) { return a + b; }, x, y);
    }
    static void clamp(float limit, float* x, int64_t n) {
        const V high = V::all(limit), low = V::all(-limit);
        map(
            n, x, [&](V a) { return min(high, max(low, a)); }, x);
    }
    static void clamp_backward(const float* x, float limit, float* dy, int64_t n) {
        const V l = V::all(limit);
        map(
            n, dy, [&](V a, V d) { return zero_where(less(l, abs(a)), d); }, x, dy);
    }
    static void scale(float factor, float* x, int64_t n) {
        const V f = V::all(factor);
        map(
            n, x, [&](V a) { return a * f; }, x);
    }
    static void widen_bf16(const bf16* x, float* y, int64_t n) {
        int64_t i = 0;
        for (; i + 16 <= n; i += 16) V::load(x + i).store(y + i);
        if (i < n) V::load_first(x + i, n - i).store_first(y + i, n - i);
    }
    static void round_bf16(const float* x, bf16* y, int64_t n) {
        int64_t i = 0;
        for (; i + 16 <= n; i += 16) {
            prefetch_input(x + i);
            V::load(x + i).store(y + i);
        }
        if (i < n) V::load_first(x + i, n - i, 0.0f).store_first(y + i, n - i);
    }

    static void softmax(const float* x, float* y, int64_t n) {
        V maximum = V::all(kLowest);
        each(
            n, kLowest, [&](V a) { maximum = max(a, maximum); }, x);
        const V m = V::all(max_of_lanes(maximum));
        V sum = V::all(0.0f);
        each(
            n, kLowest, [&](V a) { sum = sum + math::exp(a - m); }, x);
        const V total = V::all(sum_of_lanes(sum));
        map(
            n, y, [&](V a) { return math::exp(a - m) / total; }, x);
    }

    static void softmax_backward(const float* y, const float* dy, float* dx, int64_t n) {
        V products = V::all(0.0f);
        each(
            n, 0.0f, [&](V a, V d) { products = fma(a, d, products); }, y, dy);
        const V sum = V::all(sum_of_lanes(products));
        map(
            n, dx, [&](V a, V d, V old) { return fma(a, d - sum, old); }, y, dy, dx);
    }

    static void log_sum_exp(const float* logits, float temperature, LogSum* out, int64_t n) {
        const V t = V::all(temperature);
        float maximum = kLowest, sum = 0;
        for (int64_t start = 0; start < n; start += kChunk) {
            const int64_t count = n - start < kChunk ? n - start : kChunk;
            V lanes = V::all(kLowest);
            each(
                count, kLowest, [&](V a) { lanes = max(a / t, lanes); }, logits + start);
            const float chunk_maximum = max_of_lanes(lanes);
            const bool chunk_counts = chunk_maximum > kLowest, others_count = maximum > kLowest;
            const V m = V::all(chunk_counts ? chunk_maximum : 0.0f);
            V sums = V::all(0.0f);
            each(
                count, kLowest, [&](V a) { sums = sums + math::exp(a / t - m); }, logits + start);
            const float chunk_sum = sum_of_lanes(sums);
            const float both = chunk_maximum > maximum ? chunk_maximum : maximum;
            if (chunk_counts && others_count)
                sum = __builtin_fmaf(chunk_sum, exp_of(chunk_maximum - both), sum * exp_of(maximum - both));
            else
                sum += chunk_sum;
            maximum = both;
        }
        *out = {maximum, first_lane(math::log(V::all(sum)))};
    }

    static void logprobs(const float* logits, float temperature, LogSum sum, float* y, int64_t n) {
        const V t = V::all(temperature), m = V::all(sum.maximum), l = V::all(sum.log_sum);
        map(
            n, y, [&](V a) { return a / t - m - l; }, logits);
    }

    static void logprobs_backward(float temperature, LogSum sum, const float* dlogprobs, float total, float* z,
                                  int64_t n) {
        const V t = V::all(temperature), m = V::all(sum.maximum), l = V::all(sum.log_sum), zero = V::all(0.0f);
        const V share = V::all(-total / temperature);
        if (dlogprobs)
            map(
                n, z, [&](V a, V g) { return fma(share, math::exp(a / t - m - l), g / t); }, z, dlogprobs);
        else
            map(
                n, z, [&](V a) { return fma(share, math::exp(a / t - m - l), zero); }, z);
    }

    static float sum(const float* x, int64_t n) {
        float total = 0;
        for (int64_t start = 0; start < n; start += kChunk) {
            V lanes = V::all(0.0f);
            each(
                n - start < kChunk ? n - start : kChunk, 0.0f, [&](V a) { lanes = lanes + a; }, x + start);
            total += sum_of_lanes(lanes);
        }
        return total;
    }

  private:
    static constexpr int64_t kChunk = 1024;  // of a vocabulary

    [[gnu::always_inline]] static float inverse_rms(V squares, float epsilon, int64_t n) {
        const float mean = sum_of_lanes(squares) / static_cast<float>(n);
        return 1.0f / __builtin_sqrtf(mean + epsilon);
    }

    template <class WeightFactor>
    [[gnu::always_inline]] static void rms_norm_backward(const RmsNormGradient& row, int64_t n,
                                                         WeightFactor factor_of) {
        V squares = V::all(0.0f), products = V::all(0.0f);
        const auto add_to = [&](V x, V w, V dy) {
            squares = fma(x, x, squares);
            products = fma(dy * factor_of(w), x, products);
        };
        each(n, 0.0f, add_to, row.x, row.weight, row.dy);
        const float inverse = inverse_rms(squares, row.epsilon, n);
        const V factor = V::all(inverse), mean = V::all(sum_of_lanes(products) * inverse / static_cast<float>(n));
        const auto dx_of = [&](V x, V w, V dy, V dx) {
            return fma(factor, fma(-(x * factor), mean, dy * factor_of(w)), dx);
        };
        map(n, row.dx, dx_of, row.x, row.weight, row.dy, row.dx);
        if (!row.dweight) return;
        map(
            n, row.dweight, [&](V x, V dy, V dw) { return fma(dy, x * factor, dw); }, row.x, row.dy, row.dweight);
    }

    static float exp_of(float x) { return first_lane(math::exp(V::all(x))); }
};

}  // namespace hone::math
