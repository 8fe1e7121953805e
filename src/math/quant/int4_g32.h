// The INT4 codec (numerics.md rule 16), one function for training, export, load and tests: groups of 32 along k, the
// last one short; s = bf16(max(max|w| / 7, 1e-5)), codes clamp(rne(w / s), -7, 7) with the rounded s, IEEE divisions.
#pragma once

#include <cstdint>

#include "math/tensor/bf16.h"

namespace hone::math {

// One row of k values; codes [k], scales [ceil(k / 32)].
void quantise_int4_row(const float* values, int64_t k, int8_t* codes, bf16* scales);

// values_i = codes_i * scale of its group, one fp32 rounding (exact: 4 bits times 8).
void dequantise_int4_row(const int8_t* codes, const bf16* scales, int64_t k, float* values);

}  // namespace hone::math
