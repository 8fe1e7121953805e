#include <algorithm>
#include <cmath>

#include "math/ops/attention.h"
#include "math/ops/parallel.h"
#include "math/ops/phase_clock.h"

namespace hone::math {
namespace {

// Keys whose gradients are summed up at a time: they and the keys stay in the second-level cache.
constexpr int32_t kBlockKeys = 4 * kPageTokens;
constexpr int32_t kRowsAhead = 4;  // how far rows of the batch are fetched ahead

// The gradients of the keys of a document that one KV head's queries give. The longest first, so that the threads end
// together.
struct Task {
    const AttentionSegment* segment;
    int32_t kv_head;
};

// A document's rows of one query head and their keys, each contiguous and in the layouts of AttentionGradientBlock, and
// what is summed up: dq of all rows, dk and dv of a block of keys.
struct WorkerScratch {
    std::span<bf16> key_pairs, values;
    std::span<bf16> queries, dy, query_pairs, dy_pairs;
    std::span<float> log_sums, dots;
    std::span<float> dq, dk, dv;
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
          group_(results.heads / layer.kv_heads),
          scale_(attention_scale(layer.head_dim)),
          score_scale_(1.0f / std::sqrt(static_cast<float>(layer.head_dim))) {}

    void run() {
        const Workspace::Scope scope(context_.workspace);
        plan();
        make_scratch();
        for_tiles(context_, std::ssize(tasks_), work_, [&](int64_t task, int worker) {
            run_task(tasks_[static_cast<size_t>(task)], scratch_[static_cast<size_t>(worker)]);
        });
    }

  private:
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
        const int64_t pages = tasks_.empty() ? 0 : pages_of(*tasks_.front().segment), rows = pages * kPageTokens;
        const auto zeros = [&](int64_t count) {  // what pads a row is read, though never used
            const std::span<bf16> values = workspace.vector<bf16>(count);
            std::ranges::fill(values, bf16{});
            return values;
        };
        scratch_ = workspace.vector<WorkerScratch>(context_.pool.threads());
        for (auto& scratch : scratch_) {
            scratch = {.key_pairs = zeros(rows * stride_),
                       .values = workspace.vector<bf16>(rows * head_dim_),
                       .queries = workspace.vector<bf16>(rows * head_dim_),
                       .dy = workspace.vector<bf16>(rows * head_dim_),
                       .query_pairs = zeros(rows * stride_),
                       .dy_pairs = zeros(rows * stride_),
                       .log_sums = workspace.vector<float>(rows),
                       .dots = workspace.vector<float>(rows),
                       .dq = workspace.vector<float>(rows * stride_),
                       .dk = workspace.vector<float>(kBlockKeys * stride_),
                       .dv = workspace.vector<float>(kBlockKeys * stride_)};
        }
    }

    void run_task(const Task& task, const WorkerScratch& scratch) const {
        load_keys(task, scratch);
        for (int32_t head = task.kv_head * group_; head < (task.kv_head + 1) * group_; head++) {
            load_rows(task, head, scratch);
            std::ranges::fill(scratch.dq, 0.0f);
            for (int32_t key = 0; key < task.segment->rows; key += kBlockKeys) {
                std::ranges::fill(scratch.dk, 0.0f);
                std::ranges::fill(scratch.dv, 0.0f);
                for (int32_t row = key; row < task.segment->rows; row += kAttentionGradientRows) {
                    run_block(task, key, row, scratch);
                }
                const int32_t keys = std::min(kBlockKeys, task.segment->rows - key);
                add(scratch.dk, keys, score_scale_, task.segment->first_row + key, task.kv_head, into_.dk);
                add(scratch.dv, keys, 1, task.segment->first_row + key, task.kv_head, into_.dv);
            }
            add(scratch.dq, task.segment->rows, score_scale_, task.segment->first_row, head, into_.dq);
        }
    }

    static int32_t pages_of(const AttentionSegment& segment) { return (segment.rows + kPageTokens - 1) / kPageTokens; }
    const bf16* keys(const Task& task, int32_t page) const {
        return layer_.keys(task.segment->pages[static_cast<size_t>(page)], task.kv_head);
    }

    void load_keys(const Task& task, const WorkerScratch& scratch) const {
        for (int32_t page = 0; page < pages_of(*task.segment); page++) {
            const bf16* keys = this->keys(task, page);
            kernels_.transpose_pairs.run(keys, head_dim_ / 2, kPageTokens / 2, 2 * kPageTokens,
                                         scratch.key_pairs.data() + page * kPageTokens * stride_, 2 * stride_);
            kernels_.transpose_pairs.run(keys + int64_t{kPageTokens} * head_dim_, kPageTokens / 2, head_dim_ / 2,
                                         2 * head_dim_, scratch.values.data() + int64_t{page} * kPageTokens * head_dim_,
                                         2 * kPageTokens);
        }
    }

    void load_rows(const Task& task, int32_t head, const WorkerScratch& scratch) const {
        const int32_t rows = task.segment->rows;
        const auto load = [&](MatrixView<const float> x, int32_t i, std::span<bf16> rounded, std::span<bf16> pairs) {
            const float* row = x.row(task.segment->first_row + i) + column(head);
            context_.kernels.rows.round_bf16.run(row, rounded.data() + int64_t{i} * head_dim_, head_dim_);
            const float* odd = i + 1 < rows ? row + x.stride : nullptr;
            if (i % 2 == 0) kernels_.round_pairs.run(row, odd, head_dim_, pairs.data() + i * stride_);
        };
        for (int32_t i = 0; i < rows; i++) {
            const int64_t ahead = task.segment->first_row + std::min(i + kRowsAhead, rows - 1);
            for (const auto& x : {results_.q, dy_, results_.y}) fetch(x.row(ahead) + column(head));
            load(results_.q, i, scratch.queries, scratch.query_pairs);
            load(dy_, i, scratch.dy, scratch.dy_pairs);
            const int64_t row = task.segment->first_row + i;
            scratch.log_sums[static_cast<size_t>(i)] = results_.log_sums.row(row)[head];
            scratch.dots[static_cast<size_t>(i)] = kernels_.dot.run(scratch.dy.data() + int64_t{i} * head_dim_,
                                                                    results_.y.row(row) + column(head), head_dim_);
        }
    }

    // Query rows from `row` against a block of keys.
    void run_block(const Task& task, int32_t key, int32_t row, const WorkerScratch& scratch) const {
        const int32_t rows = std::min(kAttentionGradientRows, task.segment->rows - row);
        const int32_t end = std::min(key + kBlockKeys, row + rows);
        for (int32_t first = key; first < end; first += kPageTokens) {
            kernels_.add_gradients.run({.rows = rows,
                                        .first_visible = row - first + 1,
                                        .head_dim = head_dim_,
                                        .scale = scale_,
                                        .queries = scratch.queries.data() + int64_t{row} * head_dim_,
                                        .dy = scratch.dy.data() + int64_t{row} * head_dim_,
                                        .query_pairs = scratch.query_pairs.data() + row * stride_,
                                        .dy_pairs = scratch.dy_pairs.data() + row * stride_,
                                        .log_sums = scratch.log_sums.data() + row,
                                        .dots = scratch.dots.data() + row,
                                        .keys = keys(task, first / kPageTokens),
                                        .key_pairs = scratch.key_pairs.data() + first * stride_,
                                        .values = scratch.values.data() + int64_t{first} * head_dim_,
                                        .dq = scratch.dq.data() + row * stride_,
                                        .dk = scratch.dk.data() + (first - key) * stride_,
                                        .dv = scratch.dv.data() + (first - key) * stride_});
        }
    }

    int64_t column(int32_t head) const { return int64_t{head} * head_dim_; }

    // Rows from `first` of the batch, of one head.
    void add(std::span<const float> sums, int32_t rows, float scale, int64_t first, int32_t head,
             MatrixView<float> into) const {
        for (int32_t i = 0; i < rows; i++) {
            fetch(into.row(first + std::min(i + kRowsAhead, rows - 1)) + column(head));
            kernels_.add_scaled.run(sums.data() + i * stride_, scale, into.row(first + i) + column(head), head_dim_);
        }
    }

    // A head's part of a row: no two of them are neighbours, so that the processor does not see them coming.
    void fetch(const float* row) const {
        for (int32_t i = 0; i < head_dim_; i += 16) __builtin_prefetch(row + i);
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
    float scale_, score_scale_;

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
