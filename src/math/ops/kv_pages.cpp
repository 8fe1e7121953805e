#include "math/ops/kv_pages.h"

#include <algorithm>
#include <cstring>

#include "math/ops/parallel.h"
#include "math/ops/phase_clock.h"

namespace hone::math {
namespace {

// Rows of the batch that go to one page, from a slot of it on.
struct PageRows {
    int32_t page, slot, first_row, rows;
};

std::span<const PageRows> pages_of(Workspace& workspace, std::span<const AttentionSegment> segments) {
    int64_t most = 0;
    for (const auto& segment : segments) most += segment.rows / kPageTokens + 2;
    const std::span<PageRows> pages = workspace.vector<PageRows>(most);
    size_t count = 0;
    for (const auto& segment : segments) {
        for (int32_t row = 0, rows; row < segment.rows; row += rows) {
            const int32_t position = segment.first_position + row, slot = position % kPageTokens;
            rows = std::min(segment.rows - row, kPageTokens - slot);
            pages[count++] = {segment.pages[static_cast<size_t>(position / kPageTokens)], slot, segment.first_row + row,
                              rows};
        }
    }
    return pages.first(count);
}

}  // namespace

void check_segments(std::span<const AttentionSegment> segments, int64_t batch_rows) {
    for (const auto& segment : segments) {
        CHECK(segment.rows >= 1 && segment.first_row >= 0 && segment.first_row + segment.rows <= batch_rows,
              "rows {}+{} of {}", segment.first_row, segment.rows, batch_rows);
        const auto end = segment.first_position + int64_t{segment.rows};
        CHECK(segment.first_position >= 0 && end <= int64_t{kPageTokens} * static_cast<int64_t>(segment.pages.size()),
              "positions up to {} in {} pages", end, segment.pages.size());
    }
}

const bf16* KvLayer::keys(int32_t page, int32_t kv_head) const {
    const size_t head_bytes = kv_layer_bytes(1, head_dim);
    return reinterpret_cast<const bf16*>(pool + static_cast<size_t>(page) * page_bytes + layer_offset +
                                         static_cast<size_t>(kv_head) * head_bytes);
}

void store_kv(OpContext& context, std::span<const AttentionSegment> segments, MatrixView<const float> k,
              MatrixView<const float> v, const KvLayer& layer) {
    const PhaseScope phase(context, Phase::attention);
    const int32_t head_dim = layer.head_dim;
    CHECK(head_dim >= 2 && head_dim % 2 == 0, "head_dim {}", head_dim);
    CHECK(k.cols == int64_t{layer.kv_heads} * head_dim && v.cols == k.cols && v.rows == k.rows,
          "keys [{}, {}], values [{}, {}]", k.rows, k.cols, v.rows, v.cols);
    check_segments(segments, k.rows);
    const Workspace::Scope scope(context.workspace);
    const std::span<const PageRows> pages = pages_of(context.workspace, segments);
    const AttentionKernels& kernels = context.kernels.attention;
    // A KV head's part of a page is one thread's: its tokens share cache lines.
    const auto store = [&](int64_t tile, int) {
        const PageRows& rows = pages[static_cast<size_t>(tile / layer.kv_heads)];
        const auto head = static_cast<int32_t>(tile % layer.kv_heads);
        const int64_t column = int64_t{head} * head_dim;
        auto* keys = const_cast<bf16*>(layer.keys(rows.page, head));
        bf16* values = keys + int64_t{kPageTokens} * head_dim;
        for (int32_t i = 0; i < rows.rows; i++) {
            kernels.store_key.run(k.row(rows.first_row + i) + column, rows.slot + i, head_dim, keys);
            kernels.store_value.run(v.row(rows.first_row + i) + column, rows.slot + i, head_dim, values);
        }
    };
    constexpr int64_t kWork = 8;  // single stores of two bytes
    for_tiles(context, std::ssize(pages) * layer.kv_heads, kWork * k.rows * k.cols, store);
}

void copy_kv_rows(const std::byte* from, std::byte* to, int64_t kv_heads, int32_t head_dim, int32_t rows) {
    CHECK(rows >= 0 && rows <= kPageTokens, "{} rows", rows);
    constexpr size_t kPair = 2 * sizeof(bf16);
    const auto pairs = static_cast<size_t>(head_dim / 2), whole = static_cast<size_t>(rows / 2);
    const size_t values_begin = pairs * kPageTokens * kPair, value_bytes = static_cast<size_t>(head_dim) * kPair;
    for (int64_t head = 0; head < kv_heads; head++) {
        for (size_t pair = 0; pair < pairs; pair++) {
            const size_t at = pair * kPageTokens * kPair;
            std::memcpy(to + at, from + at, static_cast<size_t>(rows) * kPair);
        }
        std::memcpy(to + values_begin, from + values_begin, whole * value_bytes);
        for (size_t i = 0; rows % 2 == 1 && i < static_cast<size_t>(head_dim); i++) {
            const size_t at = values_begin + whole * value_bytes + i * kPair;
            std::memcpy(to + at, from + at, sizeof(bf16));
        }
        from += kv_layer_bytes(1, head_dim);
        to += kv_layer_bytes(1, head_dim);
    }
}

}  // namespace hone::math
