// bfloat16: the upper half of an IEEE float. Rounding is to nearest, ties to even; denormals count as zero on both
// sides, as VCVTNEPS2BF16 and VDPBF16PS have it, so every ISA gives the same bits.
#pragma once

#include <bit>
#include <cstdint>

namespace hone::math {

struct bf16 {
    uint16_t bits = 0;
};

// Always inlined: files compiled for one ISA must not leave a copy that others may be linked to.
[[gnu::always_inline]] inline float to_float(bf16 x) {
    return std::bit_cast<float>(uint32_t{x.bits} << 16);
}

[[gnu::always_inline]] inline bf16 round_to_bf16(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return {static_cast<uint16_t>(bits >> 16 | 0x40)};    // NaN, made quiet
    if (magnitude < 0x00800000) return {static_cast<uint16_t>(bits >> 16 & 0x8000)};  // zero or denormal
    return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

}  // namespace hone::math
