#include <algorithm>
#include <cmath>
#include <cstring>

#include "math/ops/attention.h"
#include "math/ops/parallel.h"
#include "math/ops/phase_clock.h"

namespace hone::math {
namespace {

constexpr int32_t kBlockPages = kGradientKeys / kPageTokens;
constexpr int32_t kPagePairs = kPageTokens / 2;
static_assert(kGradientKeys % kPageTokens == 0);

// y[column][row] = x[row][column], in units of 2 by 2 values whose inner two change places: [a/2][b][2] of a page becomes
// [b/2][a][2], and back. Strides in values.
void transpose_pairs(const bf16* x, int64_t rows, int64_t columns, int64_t x_stride, bf16* y, int64_t y_stride) {
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t column = 0; column < columns; column++) {
            uint64_t square;
            std::memcpy(&square, x + row * x_stride + column * 4, sizeof(square));
            square = (square & 0xffff00000000ffff) | (square & 0xffff0000) << 16 | (square >> 16 & 0xffff0000);
            std::memcpy(static_cast<void*>(y + column * y_stride + row * 4), &square, sizeof(square));
        }
    }
}

struct Task {
    const AttentionSegment* segment;
    int32_t kv_head;
};

// Keys of a block, and query rows that are set against them.
struct WorkerScratch {
    std::span<bf16> key_pairs, values;                   // a page after the other
    std::span<float> dk, dv;                             // [kGradientKeys][stride]
    std::span<bf16> queries, dy, query_pairs, dy_pairs;  // of AttentionGradientBlock
    std::span<float> log_sums, dots;
    std::span<float> dq;
};

class BackwardCall {
  public:
    BackwardCall(OpContext& context, std::span<const AttentionSegment> segments, const KvLayer& layer,
                 const AttentionResults& results, MatrixView<const float> dy, const AttentionGradients& into)
        : context_(context),
          kernels_(context.kernels.attention),
          segments_(segments),
          layer_(layer),
          results_(results),
          dy_(dy),
          into_(into),
          head_dim_(layer.head_dim),
          stride_(output_stride(layer.head_dim)),
          group_(results.heads / layer.kv_heads) {}

    void run() {
        const Workspace::Scope scope(context_.workspace);
        plan();
        make_scratch();
        for_tiles(context_, std::ssize(tasks_), work_, [&](int64_t task, int worker) {
            run_task(tasks_[static_cast<size_t>(task)], scratch_[static_cast<size_t>(worker)]);
        });
    }

  private:
    // A document's KV head is one thread's; the longest first, so that the threads end together.
    void plan() {
        tasks_ = context_.workspace.vector<Task>(std::ssize(segments_) * layer_.kv_heads);
        size_t next = 0;
        for (const auto& segment : segments_) {
            for (int32_t head = 0; head < layer_.kv_heads; head++) tasks_[next++] = {&segment, head};
            constexpr int64_t kProductsPerUnit = 4;
            work_ += int64_t{segment.rows} * segment.rows * results_.heads * head_dim_ / kProductsPerUnit;
        }
        std::ranges::stable_sort(tasks_, std::greater(), [](const Task& task) { return task.segment->rows; });
    }

    void make_scratch() {
        Workspace& workspace = context_.workspace;
        const auto zeros = [&](int64_t count) {  // what pads a row is read, though never used
            const std::span<bf16> values = workspace.vector<bf16>(count);
            std::ranges::fill(values, bf16{});
            return values;
        };
        constexpr int64_t kRows = kAttentionGradientRows;
        scratch_ = workspace.vector<WorkerScratch>(context_.pool.threads());
        for (auto& scratch : scratch_) {
            scratch = {.key_pairs = zeros(kGradientKeys * stride_),
                       .values = workspace.vector<bf16>(kGradientKeys * head_dim_),
                       .dk = workspace.vector<float>(kGradientKeys * stride_),
                       .dv = workspace.vector<float>(kGradientKeys * stride_),
                       .queries = workspace.vector<bf16>(kRows * head_dim_),
                       .dy = workspace.vector<bf16>(kRows * head_dim_),
                       .query_pairs = zeros(kRows * stride_),
                       .dy_pairs = zeros(kRows * stride_),
                       .log_sums = workspace.vector<float>(kRows),
                       .dots = workspace.vector<float>(kRows),
                       .dq = workspace.vector<float>(kRows * stride_)};
        }
    }

    void run_task(const Task& task, const WorkerScratch& scratch) const {
        for (int32_t key = 0; key < task.segment->rows; key += kGradientKeys) {
            load_keys(task, key, scratch);
            std::ranges::fill(scratch.dk, 0.0f);
            std::ranges::fill(scratch.dv, 0.0f);
            for (int32_t head = task.kv_head * group_; head < (task.kv_head + 1) * group_; head++) {
                for (int32_t row = key; row < task.segment->rows; row += kAttentionGradientRows) {
                    run_block(task, key, head, row, scratch);
                }
            }
            add_keys(task, key, scratch);
        }
    }

    // Pages of a document from position `key` on.
    int32_t pages_from(const Task& task, int32_t key) const {
        return std::min(kBlockPages, (task.segment->rows - key + kPageTokens - 1) / kPageTokens);
    }
    const bf16* keys(const Task& task, int32_t position) const {
        return layer_.keys(task.segment->pages[static_cast<size_t>(position / kPageTokens)], task.kv_head);
    }

    void load_keys(const Task& task, int32_t key, const WorkerScratch& scratch) const {
        for (int32_t page = 0; page < pages_from(task, key); page++) {
            const bf16* keys = this->keys(task, key + page * kPageTokens);
            transpose_pairs(keys, head_dim_ / 2, kPagePairs, 2 * kPageTokens,
                            scratch.key_pairs.data() + page * kPageTokens * stride_, 2 * stride_);
            transpose_pairs(keys + int64_t{kPageTokens} * head_dim_, kPagePairs, head_dim_ / 2, 2 * head_dim_,
                            scratch.values.data() + page * kPageTokens * head_dim_, 2 * kPageTokens);
        }
    }

    // Query rows from `row` of a head against the keys from `key`.
    void run_block(const Task& task, int32_t key, int32_t head, int32_t row, const WorkerScratch& scratch) const {
        const int32_t rows = std::min(kAttentionGradientRows, task.segment->rows - row);
        const int64_t first = task.segment->first_row + row;
        load_rows(first, rows, head, scratch);
        std::ranges::fill(scratch.dq, 0.0f);
        for (int32_t page = 0; page < pages_from(task, key); page++) {
            const int32_t position = key + page * kPageTokens;
            if (position >= row + rows) break;
            const int64_t offset = int64_t{page} * kPageTokens;
            kernels_.add_gradients.run({.rows = rows,
                                        .first_visible = row - position + 1,
                                        .head_dim = head_dim_,
                                        .scale = attention_scale(head_dim_),
                                        .queries = scratch.queries.data(),
                                        .dy = scratch.dy.data(),
                                        .query_pairs = scratch.query_pairs.data(),
                                        .dy_pairs = scratch.dy_pairs.data(),
                                        .log_sums = scratch.log_sums.data(),
                                        .dots = scratch.dots.data(),
                                        .keys = keys(task, position),
                                        .key_pairs = scratch.key_pairs.data() + offset * stride_,
                                        .values = scratch.values.data() + offset * head_dim_,
                                        .dq = scratch.dq.data(),
                                        .dk = scratch.dk.data() + offset * stride_,
                                        .dv = scratch.dv.data() + offset * stride_});
        }
        for (int32_t i = 0; i < rows; i++) add(scratch.dq, i, score_scale(), into_.dq.row(first + i) + column(head));
    }

    int64_t column(int32_t head) const { return int64_t{head} * head_dim_; }
    float score_scale() const { return 1.0f / std::sqrt(static_cast<float>(head_dim_)); }
    void add(std::span<const float> sums, int64_t row, float scale, float* into) const {
        kernels_.add_scaled.run(sums.data() + row * stride_, scale, into, head_dim_);
    }

    // Rows [first, first + rows) of the batch.
    void load_rows(int64_t first, int32_t rows, int32_t head, const WorkerScratch& scratch) const {
        const auto load = [&](MatrixView<const float> x, std::span<bf16> rounded, std::span<bf16> pairs) {
            for (int32_t i = 0; i < rows; i++) {
                const float* row = x.row(first + i) + column(head);
                context_.kernels.rows.round_bf16.run(row, rounded.data() + i * head_dim_, head_dim_);
                const float* odd = i + 1 < rows ? row + x.stride : nullptr;
                if (i % 2 == 0) kernels_.round_pairs.run(row, odd, head_dim_, pairs.data() + i * stride_);
            }
        };
        load(results_.q, scratch.queries, scratch.query_pairs);
        load(dy_, scratch.dy, scratch.dy_pairs);
        for (int32_t i = 0; i < rows; i++) {
            scratch.log_sums[static_cast<size_t>(i)] = results_.log_sums.row(first + i)[head];
            scratch.dots[static_cast<size_t>(i)] = kernels_.dot.run(
                scratch.dy.data() + i * head_dim_, results_.y.row(first + i) + column(head), head_dim_);
        }
    }

    void add_keys(const Task& task, int32_t key, const WorkerScratch& scratch) const {
        const int32_t keys = std::min(kGradientKeys, task.segment->rows - key);
        for (int32_t i = 0; i < keys; i++) {
            const int64_t row = task.segment->first_row + key + i;
            add(scratch.dk, i, score_scale(), into_.dk.row(row) + column(task.kv_head));
            add(scratch.dv, i, 1, into_.dv.row(row) + column(task.kv_head));
        }
    }

    OpContext& context_;
    const AttentionKernels& kernels_;
    std::span<const AttentionSegment> segments_;
    const KvLayer& layer_;
    const AttentionResults& results_;
    MatrixView<const float> dy_;
    const AttentionGradients& into_;
    int32_t head_dim_;
    int64_t stride_;
    int32_t group_;

    int64_t work_ = 0;
    std::span<Task> tasks_;
    std::span<WorkerScratch> scratch_;
};

}  // namespace

void attention_backward(OpContext& context, std::span<const AttentionSegment> segments, const KvLayer& layer,
                        const AttentionResults& results, MatrixView<const float> dy, const AttentionGradients& into) {
    const PhaseScope phase(context, Phase::attention);
    const int32_t heads = results.heads;
    CHECK(layer.head_dim >= 2 && layer.head_dim % 2 == 0, "head_dim {}", layer.head_dim);
    CHECK(layer.kv_heads >= 1 && heads % layer.kv_heads == 0, "{} heads over {} KV heads", heads, layer.kv_heads);
    const auto check = [&](auto x, int64_t columns, const char* name) {
        CHECK(x.rows == dy.rows && x.cols == columns, "{} [{}, {}] for {} rows", name, x.rows, x.cols, dy.rows);
    };
    const int64_t q_columns = int64_t{heads} * layer.head_dim, kv_columns = int64_t{layer.kv_heads} * layer.head_dim;
    check(results.q, q_columns, "q"), check(results.y, q_columns, "y"), check(dy, q_columns, "dy");
    check(results.log_sums, heads, "log_sums"), check(into.dq, q_columns, "dq");
    check(into.dk, kv_columns, "dk"), check(into.dv, kv_columns, "dv");
    for (const auto& segment : segments) {
        CHECK(segment.first_position == 0, "a document's rows from position {} on", segment.first_position);
        CHECK(segment.rows >= 1 && segment.first_row >= 0 && segment.first_row + segment.rows <= dy.rows,
              "rows {}+{} of {}", segment.first_row, segment.rows, dy.rows);
        CHECK(segment.rows <= int64_t{kPageTokens} * static_cast<int64_t>(segment.pages.size()), "{} rows in {} pages",
              segment.rows, segment.pages.size());
    }
    BackwardCall(context, segments, layer, results, dy, into).run();
}

}  // namespace hone::math
