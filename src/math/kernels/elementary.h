// The elementary functions of numerics.md rule 10: one source for every ISA, templated on a lane type V (ScalarLane,
// Avx2Lanes, Avx512Lanes), of correctly rounded operations in a fixed order, so that all give the same bits. No libm.
// Results below the smallest normal number are zero; callers have denormals flushed. NaN gives NaN (of no particular
// bits) everywhere.
//
// Polynomials are minimax fits for the relative error of the whole function, coefficients rounded to fp32 one after the
// other. The k...MaxUlps are bounds against the exact value, in units of the last place of the fp32 result; tests hold
// them.
#pragma once

#include <limits>

namespace hone::math {

constexpr double kExp2MaxUlps = 1.0;
constexpr double kExpMaxUlps = 1.0;
constexpr double kLogMaxUlps = 1.0;
constexpr double kSigmoidMaxUlps = 2.5;
constexpr double kTanhMaxUlps = 2.0;
constexpr double kSinCosMaxUlps = 2.0;
constexpr float kMaxAngle = 0x1p21f;  // sin and cos of a larger angle are NaN: three terms of pi/2 reach no further

// p + x * (...) by Horner's rule, coefficients from the highest power down.
template <class V, class... Coefficients>
[[gnu::always_inline]] inline V polynomial(V x, float highest, Coefficients... lower) {
    V sum = V::all(highest);
    ((sum = fma(sum, x, V::all(lower))), ...);
    return sum;
}

// 2^x: 0 below -126, infinity from 128.
template <class V>
[[gnu::always_inline]] inline V exp2(V x) {
    const V bounded = min(V::all(128.0f), x);  // NaN stays: min gives its second operand then
    const V n = round_to_even(bounded);
    const V f = bounded - n;
    const V p = polynomial(f, 0x1.417a5cp-13f, 0x1.5f0946p-10f, 0x1.3b2dd2p-7f, 0x1.c6af7ap-5f, 0x1.ebfbdcp-3f,
                           0x1.62e430p-1f, 1.0f);
    return zero_where(less(x, V::all(-126.0f)), scale_by_power(p, n));
}

// e^x: 0 below ln(2^-126), infinity from ln(2^128).
template <class V>
[[gnu::always_inline]] inline V exp(V x) {
    const V bounded = min(V::all(89.0f), x);
    const V n = round_to_even(bounded * V::all(0x1.715476p+0f));
    V r = fma(n, V::all(-0x1.62e430p-1f), bounded);  // minus n ln 2, in two parts
    r = fma(n, V::all(0x1.05c610p-29f), r);
    const V p =
        polynomial(r, 0x1.6a4960p-10f, 0x1.1239a0p-7f, 0x1.5558b4p-5f, 0x1.555492p-3f, 0x1.fffffcp-2f, 1.0f, 1.0f);
    return zero_where(less(x, V::all(-0x1.5d589ep+6f)), scale_by_power(p, n));
}

// ln x: -infinity at 0 (denormals included), NaN below, infinity at infinity.
template <class V>
[[gnu::always_inline]] inline V log(V x) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const V zero = V::all(0.0f), infinity = V::all(kInfinity);
    V exponent;
    const V f = split_exponent(x, exponent) - V::all(1.0f);  // x = (1 + f) * 2^exponent, 1 + f in [sqrt(1/2), sqrt(2))
    const V square = f * f;
    V y = polynomial(f, 0x1.14760cp-4f, -0x1.de02bcp-4f, 0x1.e6bf3ap-4f, -0x1.fc2886p-4f, 0x1.233ba8p-3f,
                     -0x1.555c46p-3f, 0x1.99a476p-3f, -0x1.000006p-2f, 0x1.555548p-2f);
    y = y * (f * square);
    y = fma(exponent, V::all(-0x1.05c610p-29f), y);
    y = fma(square, V::all(-0.5f), y);
    y = fma(exponent, V::all(0x1.62e430p-1f), f + y);
    y = select(less(x, V::all(0x1p-126f)), V::all(-kInfinity), y);
    y = select(less(x, zero), V::all(std::numeric_limits<float>::quiet_NaN()), y);
    return select(less(x, infinity), y, x);  // infinity and NaN themselves
}

// 1 / (1 + e^-x)
template <class V>
[[gnu::always_inline]] inline V sigmoid(V x) {
    const V one = V::all(1.0f);
    return one / (one + exp(-x));
}

template <class V>
[[gnu::always_inline]] inline V tanh(V x) {
    const V one = V::all(1.0f), magnitude = abs(x), square = x * x;
    const V small =
        polynomial(square, -0x1.75505ap-8f, 0x1.520440p-6f, -0x1.b836cap-5f, 0x1.1106fap-3f, -0x1.555532p-2f);
    const V large = one - V::all(2.0f) / (exp(magnitude + magnitude) + one);
    return select(less(magnitude, V::all(0.625f)), fma(small * square, x, x), copy_sign(large, x));
}

// The sine of (x + quarter_turns * pi/2), |x| <= kMaxAngle. n = round(x * 2/pi) times the first part of pi/2 is taken
// off x without rounding: the difference is a multiple of 2^-23 below 1.
template <class V>
[[gnu::always_inline]] inline V sine_of_turned(V x, int quarter_turns) {
    const V n = round_to_even(x * V::all(0x1.45f306p-1f));
    V r = fma(n, V::all(-0x1.921fb6p+0f), x);
    r = fma(n, V::all(0x1.777a5cp-25f), r);
    r = fma(n, V::all(0x1.ee59dap-50f), r);
    const V square = r * r;
    const V s = polynomial(square, 0x1.7c3516p-19f, -0x1.a05962p-13f, 0x1.111174p-7f, -0x1.555556p-3f);
    const V sine = fma(s * square, r, r);
    const V c = polynomial(square, 0x1.99e910p-16f, -0x1.6c0c2ap-10f, 0x1.55554ap-5f);
    const V cosine = fma(c, square * square, fma(square, V::all(-0.5f), V::all(1.0f)));
    const V magnitude = select(has_bit(n, quarter_turns, 1), cosine, sine);
    const V value = select(has_bit(n, quarter_turns, 2), -magnitude, magnitude);
    return select(less(V::all(kMaxAngle), abs(x)), V::all(std::numeric_limits<float>::quiet_NaN()), value);
}

template <class V>
[[gnu::always_inline]] inline V sin(V x) {
    return sine_of_turned(x, 0);
}

template <class V>
[[gnu::always_inline]] inline V cos(V x) {
    return sine_of_turned(x, 1);
}

}  // namespace hone::math
