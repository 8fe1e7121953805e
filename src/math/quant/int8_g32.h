// The activation codecs of i8g32 and i8p32 (numerics.md rule 16): groups of 32 along k, the last one short; codes
// clamp(rne(x / s), -127, 127). Where s is 0, codes are 0; a NaN makes s a NaN and codes 0, so that it is seen in every
// product. The kernels' quantisers give the same codes and scales; this form is not tiled. What is inlined always is
// shared with them. Callers have denormals flushed.
#pragma once

#include <cstdint>

#include "math/quant/packed_layout.h"

namespace hone::math {

// s of a group whose largest magnitude, as bits of fp32, is `largest`. i8_g32: largest / 127 in fp32. i8_p32: the least
// power of two with largest <= 127 s, at most 2^122; 0 where that is below 2^-126; NaN where largest is not finite.
[[gnu::always_inline]] inline float int8_scale(ActivationFormat format, uint32_t largest) {
    if (format == ActivationFormat::i8_g32) return __builtin_bit_cast(float, largest) / 127.0f;
    if (largest >= 0x7f800000) return __builtin_nanf("");
    // 127 is 2^6 times 1 + 0x7e0000 / 2^23: a larger mantissa carries into the exponent, of which 6 are taken.
    constexpr uint32_t kSix = 6 << 23;
    const uint32_t power = (largest + 0x01ffff) & 0xff800000;
    return __builtin_bit_cast(float, power > kSix ? power - kSix : 0);
}

// 1 / s of i8_p32, exact; anything where s is 0 or NaN. x times it is x / s, or both are so small that the code is 0.
[[gnu::always_inline]] inline float reciprocal_of_power(float s) {
    return __builtin_bit_cast(float, 0x7f000000 - __builtin_bit_cast(uint32_t, s));
}

// What the line of the group holds of s. i8_g32: s. i8_p32, for s = 2^e: s as bf16 in the low half and e + 1/2 as bf16
// in the high one, both exact; e is -127 where s is 0; both are NaN where s is. As fp32, the 32 bits together are a
// number whose floor is e, or NaN: what VSCALEFPS takes.
[[gnu::always_inline]] inline uint32_t int8_scale_field(ActivationFormat format, float s) {
    const auto bits = __builtin_bit_cast(uint32_t, s);
    if (format == ActivationFormat::i8_g32) return bits;
    const float exponent = s >= 0 ? static_cast<float>(static_cast<int32_t>(bits >> 23) - 127) + 0.5f : s;
    return __builtin_bit_cast(uint32_t, exponent) | bits >> 16;
}

// One row of k values in i8_g32 or i8_p32; codes [k], scales [ceil(k / 32)].
void quantise_int8_row(ActivationFormat format, const float* values, int64_t k, int8_t* codes, float* scales);

}  // namespace hone::math
