// The rows (token, slot) of a mixture of experts in order of their expert, tokens ascending within it: what its forward and
// backward passes compute together. Memory of the workspace.
#pragma once

#include "math/ops/op_context.h"

namespace hone::math {

struct GroupedRows {
    std::span<int32_t> token;     // [T * k] of each grouped row
    std::span<int32_t> position;  // [T * k] grouped row of (t, s) at t * k + s
    std::span<int64_t> first;     // [E + 1] grouped rows of expert e are first[e]..first[e + 1]
};

// experts [T, k]; one outside 0..expert_count is a bug of the caller.
GroupedRows group_rows(Workspace& workspace, const MatrixView<int32_t>& experts, int64_t expert_count);

}  // namespace hone::math
