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

void embedding_backward(OpContext& context, std::span<const int32_t> ids, MatrixView<const float> dx,
                        MatrixView<float> dtable) {
    CHECK_EQ(static_cast<int64_t>(ids.size()), dx.rows);
    CHECK_EQ(dx.cols, dtable.cols);
    for (const int32_t id : ids) CHECK(id >= 0 && id < dtable.rows, "token {} of {}", id, dtable.rows);
    constexpr int64_t kLeastWidth = 64;  // columns: runs of memory worth a jump to another row
    const int64_t even_share = dx.cols / wanted_tasks(context.pool.threads());
    const int64_t width = std::max(kLeastWidth, even_share);
    for_tiles(context, (dx.cols + width - 1) / width, 2 * dx.rows * dx.cols, [&](int64_t tile, int) {
        const int64_t first = tile * width, count = std::min(width, dx.cols - first);
        for (int64_t t = 0; t < dx.rows; t++) {
            float* row = dtable.row(ids[static_cast<size_t>(t)]);
            context.kernels.rows.add.run(dx.row(t) + first, row + first, count);
        }
    });
}

}  // namespace hone::math
