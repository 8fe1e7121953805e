// The activation codec of i8g32 (numerics.md rule 16): groups of 32 along k, the last one short; s = max|x| / 127,
// codes clamp(rne(x / s), -127, 127). Where s is 0, codes are 0; a NaN makes s a NaN and codes 0, so that it is seen in
// every product. The kernels' quantisers give the same codes and scales; this form is not tiled. Callers have denormals
// flushed.
#pragma once

#include <cstdint>

namespace hone::math {

// One row of k values; codes [k], scales [ceil(k / 32)].
void quantise_int8_row(const float* values, int64_t k, int8_t* codes, float* scales);

}  // namespace hone::math
