// One lane, for the reference kernels: the operations that kernels/elementary.h asks of a lane type. Included by
// reference/*.cpp only, which are compiled with fused multiply-adds.
#pragma once

#include <bit>
#include <cstdint>

namespace hone::math {

struct ScalarLane {
    float value;

    static ScalarLane all(float x) { return {x}; }
};

inline ScalarLane operator+(ScalarLane a, ScalarLane b) {
    return {a.value + b.value};
}
inline ScalarLane operator-(ScalarLane a, ScalarLane b) {
    return {a.value - b.value};
}
inline ScalarLane operator*(ScalarLane a, ScalarLane b) {
    return {a.value * b.value};
}
inline ScalarLane operator/(ScalarLane a, ScalarLane b) {
    return {a.value / b.value};
}
inline ScalarLane operator-(ScalarLane a) {
    return {-a.value};
}
inline ScalarLane fma(ScalarLane a, ScalarLane b, ScalarLane c) {
    return {__builtin_fmaf(a.value, b.value, c.value)};
}
// As MINPS: the second operand if either is NaN.
inline ScalarLane min(ScalarLane a, ScalarLane b) {
    return a.value < b.value ? a : b;
}
inline ScalarLane abs(ScalarLane a) {
    return {__builtin_fabsf(a.value)};
}
inline ScalarLane copy_sign(ScalarLane magnitude, ScalarLane sign) {
    return {__builtin_copysignf(magnitude.value, sign.value)};
}
inline ScalarLane round_to_even(ScalarLane a) {
    return {__builtin_nearbyintf(a.value)};
}
inline bool less(ScalarLane a, ScalarLane b) {
    return a.value < b.value;
}
inline ScalarLane select(bool condition, ScalarLane a, ScalarLane b) {
    return condition ? a : b;
}
inline ScalarLane zero_where(bool condition, ScalarLane a) {
    return condition ? ScalarLane{0} : a;
}
// p * 2^n for p in [1/2, 2) and whole n in [-126, 128], in two exact factors (the product may be infinite).
inline ScalarLane scale_by_power(ScalarLane p, ScalarLane n) {
    const int32_t whole = n.value >= -126 ? static_cast<int32_t>(n.value) : 0;  // NaN and what zero_where drops
    const int32_t half = whole >> 1;
    const auto power = [](int32_t e) { return std::bit_cast<float>((e + 127) << 23); };
    return {p.value * power(half) * power(whole - half)};
}
// x = result * 2^exponent with the result in [sqrt(1/2), sqrt(2)), for normal x > 0; anything for other x.
inline ScalarLane split_exponent(ScalarLane x, ScalarLane& exponent) {
    const int32_t bits = std::bit_cast<int32_t>(x.value);
    const int32_t e = static_cast<int32_t>(static_cast<uint32_t>(bits) - 0x3f3504f3u) >> 23;
    exponent = {static_cast<float>(e)};
    return {std::bit_cast<float>(static_cast<uint32_t>(bits) - (static_cast<uint32_t>(e) << 23))};
}
// Whether the whole number n + offset has this bit; anything for |n| >= 2^30 and NaN.
inline bool has_bit(ScalarLane n, int32_t offset, int32_t bit) {
    const int32_t whole = __builtin_fabsf(n.value) < 0x1p30f ? static_cast<int32_t>(n.value) : 0;
    return ((whole + offset) & bit) != 0;
}

}  // namespace hone::math
