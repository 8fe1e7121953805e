// The INT4 codec (numerics.md rule 16), one function for training, export, load and tests: groups of 32 along k, the
// last one short; s = bf16(max(max|w| / 7, 1e-5)), codes clamp(rne(w / s), -7, 7) with the rounded s, IEEE divisions. A
// NaN or an infinity makes s a NaN and codes 0, so that it is seen in every product.
#pragma once

#include <cstdint>

#include "math/tensor/bf16.h"

namespace hone::math {

// One row of k values; codes [k], scales [ceil(k / 32)].
void quantise_int4_row(const float* values, int64_t k, int8_t* codes, bf16* scales);

}  // namespace hone::math
