#include "math/ops/embedding.h"

#include "math/ops/parallel.h"

namespace hone::math {

void embedding(OpContext& context, const Weight& table, std::span<const int32_t> ids, MatrixView<float> x) {
    CHECK_EQ(static_cast<int64_t>(ids.size()), x.rows);
    CHECK_EQ(int64_t{table.k}, x.cols);
    const auto* rows = reinterpret_cast<const bf16*>(table.data);
    for_row_blocks(context, x.rows, x.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            const int64_t id = ids[static_cast<size_t>(i)];
            CHECK(id >= 0 && id < table.n, "token {} of {}", id, table.n);
            if (table.format == WeightFormat::bf16_rows) {
                context.kernels.rows.widen_bf16.run(rows + id * table.k, x.row(i), x.cols);
            } else {
                unpack_row(table, id, x.row(i));
            }
        }
    });
}

}  // namespace hone::math
