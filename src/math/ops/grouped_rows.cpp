#include "math/ops/grouped_rows.h"

#include <algorithm>

namespace hone::math {

GroupedRows group_rows(Workspace& workspace, const MatrixView<int32_t>& experts, int64_t expert_count) {
    const GroupedRows rows{workspace.vector<int32_t>(experts.rows * experts.cols),
                           workspace.vector<int32_t>(experts.rows * experts.cols),
                           workspace.vector<int64_t>(expert_count + 1)};
    std::ranges::fill(rows.first, 0);
    for (int64_t t = 0; t < experts.rows; t++) {
        for (const int32_t e : experts.row_span(t)) {
            CHECK(e >= 0 && e < expert_count, "expert {} of {}", e, expert_count);
            rows.first[static_cast<size_t>(e) + 1]++;
        }
    }
    for (int64_t e = 0; e < expert_count; e++) rows.first[e + 1] += rows.first[e];
    // first[e] counts up while rows are dealt out, and ends as first[e + 1]: shifted back below.
    for (int64_t t = 0; t < experts.rows; t++) {
        for (int64_t s = 0; s < experts.cols; s++) {
            const int64_t row = rows.first[static_cast<size_t>(experts.row(t)[s])]++;
            rows.token[row] = static_cast<int32_t>(t);
            rows.position[t * experts.cols + s] = static_cast<int32_t>(row);
        }
    }
    std::shift_right(rows.first.begin(), rows.first.end(), 1);
    rows.first[0] = 0;
    return rows;
}

}  // namespace hone::math
