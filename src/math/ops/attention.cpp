#include "math/ops/attention.h"

#include <algorithm>
#include <cmath>

#include "math/ops/parallel.h"
#include "math/ops/phase_clock.h"

namespace hone::math {
namespace {

constexpr int32_t kChunkPages = kChunkTokens / kPageTokens;
static_assert(kChunkPages == kAttentionChunkPages);

// One task: query rows [first, first + rows) of a segment for one KV head against chunks [first_chunk, first_chunk +
// chunks). A segment's query rows are numbered by token, then by head of the group.
struct Task {
    const AttentionSegment* segment;
    int32_t kv_head;
    int32_t first, rows;
    int32_t first_chunk, chunks;
    bool streamed;     // nobody else reads these keys at the time
    int64_t part_row;  // where a lone chunk leaves its partial results; -1: the task ends with y
};

// Running results of some query rows.
struct PartBuffer {
    MatrixView<float> output;
    std::span<float> maximum, sum;

    PartBuffer() = default;
    PartBuffer(Workspace& workspace, int64_t rows, int32_t head_dim)
        : output(workspace.matrix<float>(rows, output_stride(head_dim))),
          maximum(workspace.vector<float>(rows)),
          sum(workspace.vector<float>(rows)) {}
    AttentionPart from(int64_t row) const { return {maximum.data() + row, sum.data() + row, output.row(row)}; }
};

struct WorkerScratch {
    std::span<bf16> queries;
    PartBuffer running, chunk;
};

// One call of attention(): splits it into tasks, runs them, and joins what was split by chunk.
class AttentionCall {
  public:
    AttentionCall(OpContext& context, std::span<const AttentionSegment> segments, MatrixView<const float> q,
                  int32_t heads, const KvLayer& layer, MatrixView<float> y, MatrixView<float> log_sums)
        : context_(context),
          kernels_(context.kernels.attention),
          segments_(segments),
          q_(q),
          layer_(layer),
          y_(y),
          log_sums_(log_sums),
          group_(heads / layer.kv_heads),
          scale_(attention_scale(layer.head_dim)) {}

    void run() {
        const Workspace::Scope scope(context_.workspace);
        measure();
        plan();
        make_scratch();
        for_tiles(context_, static_cast<int64_t>(tasks_.size()), work_, [&](int64_t task, int worker) {
            run_task(tasks_[static_cast<size_t>(task)], task, scratch_[worker]);
        });
        for_tiles(context_, split_count_, parts_ * layer_.head_dim,
                  [&](int64_t split, int) { join(tasks_[split_tasks_[static_cast<size_t>(split)]]); });
    }

  private:
    int32_t query_rows(const AttentionSegment& segment) const { return segment.rows * group_; }
    static int32_t chunks_of(const AttentionSegment& segment) {
        return (segment.first_position + segment.rows + kChunkTokens - 1) / kChunkTokens;
    }
    // Few enough rows for one pass of the kernel over each chunk.
    bool is_decode(const AttentionSegment& segment) const { return query_rows(segment) <= kAttentionRows; }
    bool is_split(const AttentionSegment& segment) const {
        return is_decode(segment) && chunks_of(segment) > 1 && chunks_of(segment) > longest_decode_task_;
    }

    // How long a task may be so that every thread gets some: affects the speed, never the result.
    void measure() {
        constexpr int64_t kTasksPerThread = 4;
        const int64_t tasks = kTasksPerThread * context_.pool.threads();
        int64_t prefill_rows = 0, decode_chunks = 0, row_chunks = 0;
        for (const auto& segment : segments_) {
            if (is_decode(segment))
                decode_chunks += int64_t{chunks_of(segment)} * layer_.kv_heads;
            else
                prefill_rows += int64_t{query_rows(segment)} * layer_.kv_heads;
            row_chunks += int64_t{query_rows(segment)} *
                          std::min(chunks_of(segment) * kChunkTokens, segment.first_position + segment.rows);
        }
        longest_decode_task_ = decode_chunks / tasks;
        constexpr int64_t kMostRows = 16 * kAttentionRows;  // keys and values of a chunk and the rows fit the L2 cache
        const int64_t passes = prefill_rows / tasks / kAttentionRows;
        block_rows_ = std::clamp<int64_t>(passes * kAttentionRows, kAttentionRows, kMostRows);
        constexpr int64_t kProductsPerUnit = 8;
        work_ = row_chunks * layer_.kv_heads * layer_.head_dim / kProductsPerUnit;
    }

    void plan() {
        int64_t count = 0, split = 0;
        for (const auto& segment : segments_) {
            const int64_t blocks = (query_rows(segment) + block_rows_ - 1) / block_rows_;
            count += layer_.kv_heads * (is_split(segment) ? chunks_of(segment) : blocks);
            if (is_split(segment)) split += layer_.kv_heads;
        }
        tasks_ = context_.workspace.vector<Task>(count);
        split_tasks_ = context_.workspace.vector<size_t>(split);
        size_t next = 0;
        // Later blocks see more keys: the longest first, so that the threads end together.
        for (const auto& segment : segments_) {
            if (is_decode(segment)) continue;
            for (int64_t first = (query_rows(segment) - 1) / block_rows_ * block_rows_; first >= 0;
                 first -= block_rows_) {
                for (int32_t head = 0; head < layer_.kv_heads; head++) {
                    tasks_[next++] = block_task(segment, head, static_cast<int32_t>(first));
                }
            }
        }
        for (const auto& segment : segments_) {
            if (!is_decode(segment)) continue;
            for (int32_t head = 0; head < layer_.kv_heads; head++) {
                if (is_split(segment)) {
                    split_tasks_[static_cast<size_t>(split_count_++)] = next;
                    for (int32_t chunk = 0; chunk < chunks_of(segment); chunk++) {
                        tasks_[next++] = chunk_task(segment, head, chunk);
                    }
                } else {
                    tasks_[next++] = block_task(segment, head, 0);
                }
            }
        }
        CHECK_EQ(next, tasks_.size());
    }

    Task block_task(const AttentionSegment& segment, int32_t head, int32_t first) const {
        const auto rows = static_cast<int32_t>(std::min<int64_t>(block_rows_, query_rows(segment) - first));
        const int32_t last_position = segment.first_position + (first + rows - 1) / group_;
        return {.segment = &segment,
                .kv_head = head,
                .first = first,
                .rows = rows,
                .first_chunk = 0,
                .chunks = last_position / kChunkTokens + 1,
                .streamed = is_decode(segment),
                .part_row = -1};
    }

    Task chunk_task(const AttentionSegment& segment, int32_t head, int32_t chunk) {
        const int64_t part_row = parts_;
        parts_ += query_rows(segment);
        return {.segment = &segment,
                .kv_head = head,
                .first = 0,
                .rows = query_rows(segment),
                .first_chunk = chunk,
                .chunks = 1,
                .streamed = true,
                .part_row = part_row};
    }

    void make_scratch() {
        const int64_t rows = std::max<int64_t>(block_rows_, kAttentionRows);
        parts_buffer_ = PartBuffer(context_.workspace, parts_, layer_.head_dim);
        scratch_ = context_.workspace.vector<WorkerScratch>(context_.pool.threads());
        for (auto& scratch : scratch_) {
            scratch = {context_.workspace.vector<bf16>(rows * layer_.head_dim),
                       PartBuffer(context_.workspace, rows, layer_.head_dim),
                       PartBuffer(context_.workspace, kAttentionRows, layer_.head_dim)};
        }
    }

    int64_t head_offset(const Task& task, int32_t row) const {
        return int64_t{task.kv_head * group_ + (task.first + row) % group_} * layer_.head_dim;
    }
    int64_t batch_row(const Task& task, int32_t row) const {
        return task.segment->first_row + (task.first + row) / group_;
    }
    void run_task(const Task& task, int64_t index, const WorkerScratch& scratch) const {
        for (int32_t row = 0, heads; row < task.rows; row += heads) {  // the heads of a token lie side by side
            heads = std::min(group_ - (task.first + row) % group_, task.rows - row);
            context_.kernels.rows.round_bf16.run(q_.row(batch_row(task, row)) + head_offset(task, row),
                                                 scratch.queries.data() + int64_t{row} * layer_.head_dim,
                                                 int64_t{heads} * layer_.head_dim);
        }
        if (task.part_row >= 0) {
            return attend(task, index, task.first_chunk, 0, task.rows, scratch, parts_buffer_.from(task.part_row));
        }
        for (int32_t chunk = 0; chunk < task.chunks; chunk++) {
            for (int32_t row = 0; row < task.rows; row += kAttentionRows) {
                run_rows(task, index, chunk, row, std::min(kAttentionRows, task.rows - row), scratch);
            }
        }
        finish(task, scratch.running, 0);
    }

    // One chunk for some rows of the task, added to the running results.
    void run_rows(const Task& task, int64_t index, int32_t chunk, int32_t first, int32_t rows,
                  const WorkerScratch& scratch) const {
        if (chunk == 0) return attend(task, index, 0, first, rows, scratch, scratch.running.from(first));
        if (visible_keys(task, first + rows - 1, chunk) == 0) return;
        attend(task, index, chunk, first, rows, scratch, scratch.chunk.from(0));
        kernels_.merge.run(scratch.chunk.from(0), rows, layer_.head_dim, scale_, scratch.running.from(first));
    }

    int32_t visible_keys(const Task& task, int32_t row, int32_t chunk) const {
        const int32_t position = task.segment->first_position + (task.first + row) / group_;
        return std::clamp(position + 1 - chunk * kChunkTokens, 0, kChunkTokens);
    }

    // The pages of a chunk of the task's segment, as far as `keys` reach; null behind them.
    void fill_pages(const Task& task, int32_t chunk, int32_t keys, std::span<const bf16*> pages) const {
        for (size_t i = 0; i < pages.size(); i++) {
            const size_t page = static_cast<size_t>(chunk * kChunkPages) + i;
            const bool wanted = static_cast<int32_t>(i) * kPageTokens < keys && page < task.segment->pages.size();
            pages[i] = wanted ? layer_.keys(task.segment->pages[page], task.kv_head) : nullptr;
        }
    }

    void attend(const Task& task, int64_t index, int32_t chunk, int32_t first, int32_t rows,
                const WorkerScratch& scratch, const AttentionPart& part) const {
        int32_t visible[kAttentionRows];
        for (int32_t row = 0; row < rows; row++) visible[row] = visible_keys(task, first + row, chunk);
        const bf16* pages[kChunkPages];
        fill_pages(task, chunk, visible[rows - 1], pages);
        const bf16* next_pages[kAttentionLeadPages];
        if (task.streamed) fill_next_pages(task, index, chunk + 1, next_pages);
        kernels_.attend.run({.queries = scratch.queries.data() + int64_t{first} * layer_.head_dim,
                             .visible = visible,
                             .rows = rows,
                             .head_dim = layer_.head_dim,
                             .scale = scale_,
                             .pages = pages,
                             .next_pages = task.streamed ? next_pages : nullptr},
                            part);
    }

    // What this thread will probably attend to next: the next chunk of the task, or the start of the task that it will
    // take if the threads keep pace.
    void fill_next_pages(const Task& task, int64_t index, int32_t next_chunk, std::span<const bf16*> pages) const {
        if (next_chunk < task.first_chunk + task.chunks) return fill_pages(task, next_chunk, kChunkTokens, pages);
        const auto next = static_cast<size_t>(index + context_.pool.threads());
        if (next < tasks_.size())
            fill_pages(tasks_[next], tasks_[next].first_chunk, kChunkTokens, pages);
        else
            std::ranges::fill(pages, nullptr);
    }

    void finish(const Task& task, const PartBuffer& results, int64_t first) const {
        for (int32_t row = 0; row < task.rows; row++) {
            const AttentionPart part = results.from(first + row);
            kernels_.finish.run(part.output, *part.sum, layer_.head_dim,
                                y_.row(batch_row(task, row)) + head_offset(task, row));
        }
        if (log_sums_.data != nullptr) store_log_sums(task, results.from(first));
    }

    // Of results that are done with: their sums are overwritten.
    void store_log_sums(const Task& task, const AttentionPart& results) const {
        constexpr float kLog2E = 0x1.715476p+0f;
        context_.kernels.rows.log.run(results.sum, results.sum, task.rows);
        for (int32_t row = 0; row < task.rows; row++) {
            log_sums_.row(batch_row(task, row))[head_offset(task, row) / layer_.head_dim] =
                std::fma(results.sum[row], kLog2E, results.maximum[row] * scale_);
        }
    }

    // Merges the chunks of a split segment and KV head, whose tasks follow each other from `task`.
    void join(const Task& task) const {
        for (int32_t chunk = 1; chunk < chunks_of(*task.segment); chunk++) {
            kernels_.merge.run(parts_buffer_.from(task.part_row + int64_t{chunk} * task.rows), task.rows,
                               layer_.head_dim, scale_, parts_buffer_.from(task.part_row));
        }
        finish(task, parts_buffer_, task.part_row);
    }

    OpContext& context_;
    const AttentionKernels& kernels_;
    std::span<const AttentionSegment> segments_;
    MatrixView<const float> q_;
    const KvLayer& layer_;
    MatrixView<float> y_, log_sums_;
    int32_t group_;
    float scale_;

    int64_t longest_decode_task_ = 0;  // in chunks
    int64_t block_rows_ = 0;           // query rows of a prefill task
    int64_t work_ = 0;
    int64_t parts_ = 0;  // rows of partial results
    int64_t split_count_ = 0;
    std::span<Task> tasks_;
    std::span<size_t> split_tasks_;  // the first task of each split segment and KV head
    std::span<WorkerScratch> scratch_;
    PartBuffer parts_buffer_;
};

}  // namespace

void attention(OpContext& context, std::span<const AttentionSegment> segments, MatrixView<const float> q, int32_t heads,
               const KvLayer& layer, MatrixView<float> y, MatrixView<float> log_sums) {
    const PhaseScope phase(context, Phase::attention);
    const int32_t head_dim = layer.head_dim;
    CHECK(head_dim >= 2 && head_dim % 2 == 0, "head_dim {}", head_dim);
    CHECK(layer.kv_heads >= 1 && heads % layer.kv_heads == 0, "{} heads over {} KV heads", heads, layer.kv_heads);
    CHECK(q.cols == int64_t{heads} * head_dim && y.cols == q.cols && y.rows == q.rows, "q [{}, {}], y [{}, {}]", q.rows,
          q.cols, y.rows, y.cols);
    CHECK(log_sums.data == nullptr || (log_sums.rows == q.rows && log_sums.cols == heads), "log_sums [{}, {}]",
          log_sums.rows, log_sums.cols);
    check_segments(segments, q.rows);
    AttentionCall(context, segments, q, heads, layer, y, log_sums).run();
}

}  // namespace hone::math
