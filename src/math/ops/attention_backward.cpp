#include <algorithm>
#include <cmath>
#include <utility>

#include "math/ops/attention.h"
#include "math/ops/parallel.h"
#include "math/ops/phase_clock.h"

namespace hone::math {
namespace {

// Keys whose gradients are summed up at a time: they and the keys stay in the second-level cache.
constexpr int32_t kBlockKeys = 4 * kPageTokens;
constexpr int32_t kRowsAhead = 4;  // how far rows of the batch are fetched ahead

// A document's rows of one query head, a tile for each block of its keys: some tasks go through their blocks together, so
// that a tile grows with the document's length, not with its square, and heads that share keys are different tiles.
struct BackwardTask {
    const AttentionSegment* segment;
    int32_t head;
    int64_t first_row = 0, first_sum = 0;  // of the scratch

    int32_t rows() const { return segment->rows; }
    int32_t pages() const { return (rows() + kPageTokens - 1) / kPageTokens; }
    int64_t scratch_rows() const { return int64_t{pages()} * kPageTokens; }
    int64_t sums() const { return std::min<int64_t>(kBlockKeys, scratch_rows()); }
};

// The rows of the tasks that are under way and their keys, each contiguous and in the layouts of AttentionGradientBlock,
// and what is summed up: dq of all rows, dk and dv of a block of keys.
struct Scratch {
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
        for (size_t first = 0, end = 0; first < tasks_.size(); first = end) {
            for (end = first + 1; end < tasks_.size() && tasks_[end].first_row > 0;) end++;
            run_together(tasks_.subspan(first, end - first));
        }
    }

  private:
    // The longest first: those that have a block of keys come before those that have not.
    void plan() {
        tasks_ = context_.workspace.vector<BackwardTask>(std::ssize(segments_) * results_.heads);
        size_t next = 0;
        for (const auto& segment : segments_) {
            for (int32_t head = 0; head < results_.heads; head++) tasks_[next++] = {&segment, head};
        }
        std::ranges::stable_sort(tasks_, std::greater(), &BackwardTask::rows);
    }

    // Gives tasks their places, those that are under way together beside each other, from 0 on. Rows and sums that it takes.
    std::pair<int64_t, int64_t> lay_out() {
        constexpr int64_t kLongestPerThread = 2;
        int64_t rows = 0, sums = 0, most_rows = 0, most_sums = 0;
        for (BackwardTask& task : tasks_) {
            const int64_t room = kLongestPerThread * context_.pool.threads() * tasks_.front().scratch_rows();
            if (rows + task.scratch_rows() > room) rows = sums = 0;
            task.first_row = std::exchange(rows, rows + task.scratch_rows());
            task.first_sum = std::exchange(sums, sums + task.sums());
            most_rows = std::max(most_rows, rows), most_sums = std::max(most_sums, sums);
        }
        return {most_rows, most_sums};
    }

    void make_scratch() {
        Workspace& workspace = context_.workspace;
        const auto [rows, sums] = lay_out();
        const auto zeros = [&](int64_t count) {  // what pads a row is read, though never used
            const std::span<bf16> values = workspace.vector<bf16>(count);
            std::ranges::fill(values, bf16{});
            return values;
        };
        all_ = {.key_pairs = zeros(rows * stride_),
                .values = workspace.vector<bf16>(rows * head_dim_),
                .queries = workspace.vector<bf16>(rows * head_dim_),
                .dy = workspace.vector<bf16>(rows * head_dim_),
                .query_pairs = zeros(rows * stride_),
                .dy_pairs = zeros(rows * stride_),
                .log_sums = workspace.vector<float>(rows),
                .dots = workspace.vector<float>(rows),
                .dq = workspace.vector<float>(rows * stride_),
                .dk = workspace.vector<float>(sums * stride_),
                .dv = workspace.vector<float>(sums * stride_)};
    }

    Scratch scratch_of(const BackwardTask& task) const {
        const auto part = [&](auto all, int64_t row_size) {
            return all.subspan(static_cast<size_t>(task.first_row * row_size),
                               static_cast<size_t>(task.scratch_rows() * row_size));
        };
        const auto sums = [&](auto all) {
            return all.subspan(static_cast<size_t>(task.first_sum * stride_),
                               static_cast<size_t>(task.sums() * stride_));
        };
        return {.key_pairs = part(all_.key_pairs, stride_),
                .values = part(all_.values, head_dim_),
                .queries = part(all_.queries, head_dim_),
                .dy = part(all_.dy, head_dim_),
                .query_pairs = part(all_.query_pairs, stride_),
                .dy_pairs = part(all_.dy_pairs, stride_),
                .log_sums = part(all_.log_sums, 1),
                .dots = part(all_.dots, 1),
                .dq = part(all_.dq, stride_),
                .dk = sums(all_.dk),
                .dv = sums(all_.dv)};
    }

    void run_together(std::span<const BackwardTask> tasks) const {
        for (int32_t key = 0; key < tasks.front().rows(); key += kBlockKeys) {
            const auto past =
                std::ranges::partition_point(tasks, [&](const BackwardTask& task) { return task.rows() > key; });
            const auto count = past - tasks.begin();
            int64_t rows = 0;
            for (const BackwardTask& task : tasks.first(static_cast<size_t>(count))) rows += task.rows() - key;
            constexpr int64_t kProductsPerUnit = 4;
            for_tiles(context_, count, rows * kBlockKeys * head_dim_ / kProductsPerUnit,
                      [&](int64_t i, int) { run_keys(tasks[static_cast<size_t>(i)], key); });
            add_keys(tasks.first(static_cast<size_t>(count)), key);
        }
    }

    // A block of keys, from `key` on.
    void run_keys(const BackwardTask& task, int32_t key) const {
        const Scratch scratch = scratch_of(task);
        if (key == 0) {
            load_keys(task, scratch);
            load_rows(task, scratch);
            std::ranges::fill(scratch.dq, 0.0f);
        }
        std::ranges::fill(scratch.dk, 0.0f);
        std::ranges::fill(scratch.dv, 0.0f);
        for (int32_t row = key; row < task.rows(); row += kAttentionGradientRows) run_block(task, key, row, scratch);
        if (key + kBlockKeys >= task.rows())
            add(scratch.dq, task.rows(), score_scale_, task.segment->first_row, task.head, into_.dq);
    }

    // What the heads have summed up for a block of keys, to their KV heads, those of one ascending.
    void add_keys(std::span<const BackwardTask> tasks, int32_t key) const {
        const auto kv_head = [&](const BackwardTask& task) { return task.head / group_; };
        for_tiles(context_, std::ssize(tasks), std::ssize(tasks) * kBlockKeys * head_dim_ * 2, [&](int64_t i, int) {
            const auto first = static_cast<size_t>(i);
            const auto shares = [&](const BackwardTask& task) {
                return task.segment == tasks[first].segment && kv_head(task) == kv_head(tasks[first]);
            };
            if (first > 0 && shares(tasks[first - 1])) return;  // with that
            for (size_t j = first; j < tasks.size() && shares(tasks[j]); j++) {
                const Scratch scratch = scratch_of(tasks[j]);
                const int32_t keys = std::min(kBlockKeys, tasks[j].rows() - key),
                              row = tasks[j].segment->first_row + key;
                add(scratch.dk, keys, score_scale_, row, kv_head(tasks[j]), into_.dk);
                add(scratch.dv, keys, 1, row, kv_head(tasks[j]), into_.dv);
            }
        });
    }

    const bf16* keys(const BackwardTask& task, int32_t page) const {
        return layer_.keys(task.segment->pages[static_cast<size_t>(page)], task.head / group_);
    }

    void load_keys(const BackwardTask& task, const Scratch& scratch) const {
        for (int32_t page = 0; page < task.pages(); page++) {
            const bf16* keys = this->keys(task, page);
            kernels_.transpose_pairs.run(keys, head_dim_ / 2, kPageTokens / 2, 2 * kPageTokens,
                                         scratch.key_pairs.data() + page * kPageTokens * stride_, 2 * stride_);
            kernels_.transpose_pairs.run(keys + int64_t{kPageTokens} * head_dim_, kPageTokens / 2, head_dim_ / 2,
                                         2 * head_dim_, scratch.values.data() + int64_t{page} * kPageTokens * head_dim_,
                                         2 * kPageTokens);
        }
    }

    void load_rows(const BackwardTask& task, const Scratch& scratch) const {
        const int32_t rows = task.rows(), head = task.head;
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
    void run_block(const BackwardTask& task, int32_t key, int32_t row, const Scratch& scratch) const {
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

    std::span<BackwardTask> tasks_;
    Scratch all_;
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
