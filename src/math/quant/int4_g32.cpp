#include "math/quant/int4_g32.h"

#include <algorithm>
#include <cmath>

#include "math/quant/packed_layout.h"

namespace hone::math {

void quantise_int4_row(const float* values, int64_t k, int8_t* codes, bf16* scales) {
    for (int64_t first = 0; first < k; first += kGroup) {
        const int64_t last = std::min(k, first + kGroup);
        float largest = 0;
        for (int64_t i = first; i < last; i++) largest = std::max(largest, std::fabs(values[i]));
        const bf16 scale = round_to_bf16(std::max(largest / 7.0f, 1e-5f));
        const float divisor = to_float(scale);
        for (int64_t i = first; i < last; i++) {
            codes[i] = static_cast<int8_t>(std::clamp(std::lrint(values[i] / divisor), -7L, 7L));
        }
        scales[first / kGroup] = scale;
    }
}

void dequantise_int4_row(const int8_t* codes, const bf16* scales, int64_t k, float* values) {
    for (int64_t i = 0; i < k; i++) values[i] = static_cast<float>(codes[i]) * to_float(scales[i / kGroup]);
}

}  // namespace hone::math
