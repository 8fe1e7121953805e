#include "math/quant/int8_g32.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hone::math {

void quantise_int8_row(ActivationFormat format, const float* values, int64_t k, int8_t* codes, float* scales) {
    for (int64_t first = 0; first < k; first += kGroup) {
        const int64_t last = std::min(k, first + kGroup);
        // Magnitudes are compared as integers: the order of floats, with NaN above all.
        uint32_t largest = 0;
        for (int64_t i = first; i < last; i++)
            largest = std::max(largest, std::bit_cast<uint32_t>(values[i]) & 0x7fffffff);
        const float scale = int8_scale(format, largest);
        for (int64_t i = first; i < last; i++) {
            codes[i] = scale > 0 ? static_cast<int8_t>(std::clamp(std::lrint(values[i] / scale), -127L, 127L)) : 0;
        }
        scales[first / kGroup] = scale;
    }
}

}  // namespace hone::math
