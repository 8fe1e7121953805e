#include "math/kernels/attention_kernels.h"

#include <cmath>

namespace hone::math {

float attention_scale(int32_t head_dim) {
    constexpr float kLog2OfE = 0x1.715476p+0f;
    return kLog2OfE / std::sqrt(static_cast<float>(head_dim));
}

}  // namespace hone::math
