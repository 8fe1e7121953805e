#include "math/quant/int4_g32.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "math/quant/packed_layout.h"

namespace hone::math {

constexpr uint32_t kInfinityBits = 0x7f800000;

void quantise_int4_row(const float* values, int64_t k, int8_t* codes, bf16* scales) {
    for (int64_t first = 0; first < k; first += kGroup) {
        const int64_t last = std::min(k, first + kGroup);
        // Magnitudes are compared as integers: the order of floats, with infinity and then NaN above all.
        uint32_t largest = 0;
        for (int64_t i = first; i < last; i++) {
            largest = std::max(largest, std::bit_cast<uint32_t>(values[i]) & 0x7fffffff);
        }
        if (largest >= kInfinityBits) {
            std::fill(codes + first, codes + last, int8_t{0});
            scales[first / kGroup] = round_to_bf16(std::numeric_limits<float>::quiet_NaN());
            continue;
        }
        const bf16 scale = round_to_bf16(std::max(std::bit_cast<float>(largest) / 7.0f, 1e-5f));
        const float divisor = to_float(scale);
        for (int64_t i = first; i < last; i++) {
            codes[i] = static_cast<int8_t>(std::clamp(std::lrint(values[i] / divisor), -7L, 7L));
        }
        scales[first / kGroup] = scale;
    }
}

}  // namespace hone::math
