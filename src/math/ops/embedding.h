// Embedding lookup: x_t = table[ids_t] widened to fp32. table [V, D] bf16_rows, or a packed bf16 head that is tied to
// it. A row is a copy of a row of the table, widened exactly.
#pragma once

#include "math/ops/op_context.h"

namespace hone::math {

// ids in [0, V) (the caller has checked); x [T, D].
void embedding(OpContext& context, const Weight& table, std::span<const int32_t> ids, MatrixView<float> x);

// dtable[ids_t] += dx_t; dx [T, D], dtable [V, D] fp32. Rows of one id are added in ascending t, whoever adds them: the
// columns are split, not the rows.
void embedding_backward(OpContext& context, std::span<const int32_t> ids, MatrixView<const float> dx,
                        MatrixView<float> dtable);

}  // namespace hone::math
