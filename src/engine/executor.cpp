#include "engine/executor.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/clock.h"
#include "engine/cache/page_pool.h"

namespace hone::engine {

static_assert(kPageTokens == math::kPageTokens);

struct Executor::Batch {
    std::vector<ExecutorSegment> segments;  // those that were stopped end where they did
    std::vector<RowRange>
        placed;  // ascending in first_row; those of least depth first, so that full-depth rows are one run
    math::MatrixView<float> x;     // [rows, hidden]
    bool stoppable_moved = false;  // a segment that may stop has passed a layer
    std::vector<double> layer_seconds;
};

// Rows that follow those of the runs; neighbours under one adapter are one run.
static void add_run(std::vector<model::AdapterRun>& runs, const model::Adapter* adapter, int64_t first, int64_t rows) {
    if (adapter == nullptr) return;
    if (!runs.empty() && runs.back().adapter == adapter && runs.back().first_row + runs.back().rows == first)
        runs.back().rows += rows;
    else
        runs.push_back({.first_row = first, .rows = rows, .adapter = adapter});
}

// What a pass needs to know about some of the batch's rows, in the order of a matrix that holds just them.
struct Executor::RowLayout {
    std::vector<RowRange> ranges;
    std::vector<int32_t> positions;
    std::vector<math::AttentionSegment> attention;
    std::vector<model::AdapterRun> adapters;

    // `count` rows of a segment, from its row `begin` on.
    void add(int32_t segment, const ExecutorSegment& rows, int32_t begin, int32_t count) {
        const auto first = static_cast<int32_t>(positions.size());
        ranges.push_back({segment, first, count, begin});
        attention.push_back({first, count, rows.first_position + begin, rows.pages});
        add_run(adapters, rows.adapter, first, count);
        positions.resize(positions.size() + static_cast<size_t>(count));
        std::iota(positions.begin() + first, positions.end(), rows.first_position + begin);
    }
};

namespace {

// Row ranges of a batch that follow one another without a gap: [first, last) in `placed`.
template <class Wanted>
void for_each_run(std::span<const RowRange> placed, Wanted wanted, auto&& visit) {
    for (size_t first = 0; first < placed.size();) {
        size_t last = first;
        while (last < placed.size() && wanted(placed[last])) last++;
        if (last > first) visit(placed.subspan(first, last - first));
        first = std::max(last, first + 1);
    }
}

void copy_rows(math::MatrixView<const float> from, math::MatrixView<float> to) {
    for (int64_t row = 0; row < from.rows; row++) std::copy_n(from.row(row), from.cols, to.row(row));
}

std::vector<RowRange> place_segments(std::span<const ExecutorSegment> segments) {
    std::vector<int32_t> order(segments.size());
    std::iota(order.begin(), order.end(), 0);
    const auto depth = [&](int32_t i) {
        return segments[static_cast<size_t>(i)].end_layer - segments[static_cast<size_t>(i)].first_layer;
    };
    std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return depth(a) < depth(b); });
    std::vector<RowRange> placed;
    int32_t row = 0;
    for (const int32_t i : order) {
        const auto rows = static_cast<int32_t>(segments[static_cast<size_t>(i)].ids.size());
        placed.push_back({i, row, rows});
        row += rows;
    }
    return placed;
}

void check_segment(const ExecutorSegment& segment, int32_t layers) {
    const auto rows = static_cast<int32_t>(segment.ids.size());
    CHECK_GT(rows, 0);
    CHECK(segment.first_layer >= 0 && segment.first_layer < segment.end_layer && segment.end_layer <= layers,
          "layers {} to {} of {}", segment.first_layer, segment.end_layer, layers);
    CHECK_LE(pages_for(segment.first_position + rows), std::ssize(segment.pages));
    CHECK(segment.resting || (segment.first_layer == 0 && segment.end_layer == layers), "nowhere to rest");
    CHECK(segment.logits_begin >= 0 && segment.logits_begin <= segment.logits_end && segment.logits_end <= rows,
          "logits of rows {} to {} of {}", segment.logits_begin, segment.logits_end, rows);
    CHECK(segment.logits_begin == segment.logits_end || segment.end_layer == layers, "logits before the last layer");
    CHECK(!segment.may_stop || segment.resting, "nowhere to rest");
}

// Where the rows of a segment lie among those of its chunk, which are allocated when the first of them rest.
math::MatrixView<float> resting_rows(const ExecutorSegment& segment, int64_t hidden) {
    RestingRows& resting = *segment.resting;
    const auto rows = std::ssize(segment.ids);
    if (resting.values.empty()) {
        resting.first_position = segment.first_position;
        resting.values.resize(static_cast<size_t>(std::max<int64_t>(rows, segment.chunk_rows) * hidden));
    }
    const int64_t first = segment.first_position - resting.first_position;
    CHECK(first >= 0 && (first + rows) * hidden <= std::ssize(resting.values), "rows {} to {} of {}", first,
          first + rows, std::ssize(resting.values) / hidden);
    return {resting.values.data() + first * hidden, rows, hidden};
}

// The first layer after `layer` at which a segment begins or ends; `layer` itself if there is none.
int32_t next_cut(std::span<const ExecutorSegment> segments, int32_t layer) {
    int32_t next = std::numeric_limits<int32_t>::max();
    for (const ExecutorSegment& segment : segments) {
        for (const int32_t cut : {segment.first_layer, segment.end_layer}) {
            if (cut > layer) next = std::min(next, cut);
        }
    }
    return next == std::numeric_limits<int32_t>::max() ? layer : next;
}

// Segments that may stop and have come to `layer` end before it.
void stop_segments(std::span<ExecutorSegment> segments, int32_t layer) {
    for (ExecutorSegment& segment : segments) {
        if (!segment.may_stop || segment.first_layer > layer || segment.end_layer <= layer) continue;
        segment.end_layer = layer;
        segment.logits_begin = segment.logits_end = 0;
    }
}

}  // namespace

Executor::Executor(const model::Model& model, math::OpContext& ops, std::byte* page_pool, const RowBlocks& blocks)
    : model_(model),
      ops_(ops),
      page_pool_(page_pool),
      layer_rows_(std::max<int64_t>(1, blocks.layer_rows)),
      logits_rows_(std::max<int64_t>(
          1, static_cast<int64_t>(blocks.logits_bytes / sizeof(float)) / std::max(1, model.spec().vocabulary))) {}

ExecutorReport Executor::run(std::span<const ExecutorSegment> segments, LogitsSink sink, const ExecutorTaps& taps,
                             const LayerGate& gate) {
    const int32_t layers = model_.spec().layers;
    ExecutorReport report;
    report.layer_seconds.resize(static_cast<size_t>(layers));
    if (segments.empty()) return report;
    for (const ExecutorSegment& segment : segments) check_segment(segment, layers);
    math::Workspace::Scope scope(ops_.workspace);
    Batch batch{.segments = {segments.begin(), segments.end()},
                .placed = place_segments(segments),
                .x = {},
                .layer_seconds = std::move(report.layer_seconds)};
    batch.x =
        ops_.workspace.matrix<float>(batch.placed.back().first_row + batch.placed.back().rows, model_.spec().hidden);

    load_rows(batch);
    for (int32_t layer = 0, end = 0; (end = next_cut(batch.segments, layer)) > layer;) {
        layer = run_layers(batch, layer, end, taps, gate);
        if (layer < end) stop_segments(batch.segments, layer);
    }
    store_rows(batch);
    const double head_started = monotonic_seconds();
    run_head(batch, sink);
    report.head_seconds = monotonic_seconds() - head_started;
    for (const ExecutorSegment& segment : batch.segments) report.end_layers.push_back(segment.end_layer);
    report.layer_seconds = std::move(batch.layer_seconds);
    return report;
}

// Embeds the rows that begin at layer 0; the others continue from where they rest.
void Executor::load_rows(const Batch& batch) {
    const auto begins = [&](const RowRange& range) {
        return batch.segments[static_cast<size_t>(range.segment)].first_layer == 0;
    };
    for_each_run(batch.placed, begins, [&](std::span<const RowRange> run) {
        RowLayout layout;
        std::vector<int32_t> ids;
        for (const RowRange& range : run) {
            const ExecutorSegment& segment = batch.segments[static_cast<size_t>(range.segment)];
            layout.add(range.segment, segment, 0, range.rows);
            ids.insert(ids.end(), segment.ids.begin(), segment.ids.end());
        }
        model::Pass pass{
            .ops = ops_, .positions = layout.positions, .segments = layout.attention, .page_pool = page_pool_};
        model_.embed(ids, batch.x.rows_from(run.front().first_row, std::ssize(ids)), pass);
    });
    for (const RowRange& range : batch.placed) {
        if (begins(range)) continue;
        const ExecutorSegment& segment = batch.segments[static_cast<size_t>(range.segment)];
        CHECK(!segment.resting->values.empty(), "no rows rest before layer {}", segment.first_layer);
        copy_rows(resting_rows(segment, batch.x.cols), batch.x.rows_from(range.first_row, range.rows));
    }
}

// Whole segments, `rows` rows in all, in blocks of about layer_rows_, equal but for the last.
std::vector<Executor::RowLayout> Executor::cut_blocks(const Batch& batch, std::span<const RowRange> active,
                                                      int64_t rows) const {
    const int64_t count = std::max<int64_t>((rows + layer_rows_ / 2) / layer_rows_, 1);
    const int64_t most = (rows + count - 1) / count;
    std::vector<RowLayout> blocks(1);
    for (const RowRange& range : active) {
        for (int32_t begin = 0; begin < range.rows;) {
            if (std::ssize(blocks.back().positions) == most) blocks.emplace_back();
            const int64_t room = most - std::ssize(blocks.back().positions);
            const auto taken = static_cast<int32_t>(std::min<int64_t>(room, range.rows - begin));
            blocks.back().add(range.segment, batch.segments[static_cast<size_t>(range.segment)], begin, taken);
            begin += taken;
        }
    }
    return blocks;
}

// Takes one block of rows through a layer. Blocks go in order: a segment's later rows read the keys of its earlier ones.
void Executor::run_block(const RowLayout& block, int32_t layer, math::MatrixView<float> x, const ExecutorTaps& taps) {
    const auto tell_routing = [&](int32_t of_layer, auto, const math::Routing& routing) {
        taps.router(of_layer, block.ranges, routing);
    };
    const model::RouterTap router_tap(tell_routing);
    model::Pass pass{.ops = ops_,
                     .positions = block.positions,
                     .segments = block.attention,
                     .page_pool = page_pool_,
                     .router_tap = taps.router ? &router_tap : nullptr,
                     .adapters = block.adapters};
    model_.layer(layer, x, pass);
    if (taps.hidden) taps.hidden(layer, block.ranges, x);
}

// Takes the rows of the segments that include these layers through them: in place where they are neighbours, else
// gathered. Returns the layer it came to: end_layer, or where the gate closed.
int32_t Executor::run_layers(Batch& batch, int32_t first_layer, int32_t end_layer, const ExecutorTaps& taps,
                             const LayerGate& gate) {
    double started = monotonic_seconds();
    bool stoppable = false;
    int64_t rows = 0;
    std::vector<RowRange> active;  // in the batch
    for (const RowRange& range : batch.placed) {
        const ExecutorSegment& segment = batch.segments[static_cast<size_t>(range.segment)];
        if (segment.first_layer > first_layer || segment.end_layer < end_layer) continue;
        active.push_back(range);
        rows += range.rows;
        stoppable |= segment.may_stop;
    }
    if (active.empty()) return end_layer;
    const auto closed = [&](int32_t layer) { return stoppable && gate && !gate(layer, batch.stoppable_moved); };
    if (closed(first_layer)) return first_layer;
    math::Workspace::Scope scope(ops_.workspace);
    const bool neighbours = active.back().first_row + active.back().rows - active.front().first_row == rows;
    math::MatrixView<float> x = neighbours ? batch.x.rows_from(active.front().first_row, rows)
                                           : ops_.workspace.matrix<float>(rows, batch.x.cols);
    const auto copy_each = [&](bool gather) {
        int64_t row = 0;
        for (const RowRange& range : active) {
            const auto whole = batch.x.rows_from(range.first_row, range.rows);
            const auto part = x.rows_from(row, range.rows);
            if (gather)
                copy_rows(whole, part);
            else
                copy_rows(part, whole);
            row += range.rows;
        }
    };
    if (!neighbours) copy_each(true);

    const std::vector<RowLayout> blocks = cut_blocks(batch, active, rows);
    int32_t layer = first_layer;
    do {
        int64_t row = 0;
        for (const RowLayout& block : blocks) {
            const auto block_rows = x.rows_from(row, std::ssize(block.positions));
            run_block(block, layer, block_rows, taps);
            row += block_rows.rows;
        }
        const double ended = monotonic_seconds();
        batch.layer_seconds[static_cast<size_t>(layer)] += ended - started;
        started = ended;
        batch.stoppable_moved |= stoppable;
    } while (++layer < end_layer && !closed(layer));
    if (!neighbours) copy_each(false);
    batch.layer_seconds[static_cast<size_t>(layer) - 1] += monotonic_seconds() - started;
    return layer;
}

void Executor::store_rows(const Batch& batch) {
    for (const RowRange& range : batch.placed) {
        const ExecutorSegment& segment = batch.segments[static_cast<size_t>(range.segment)];
        // What was stopped before it moved is where it was: embedded anew, or still resting.
        if (segment.end_layer == model_.spec().layers || segment.end_layer == segment.first_layer) continue;
        copy_rows(batch.x.rows_from(range.first_row, range.rows), resting_rows(segment, batch.x.cols));
    }
}

void Executor::run_head(const Batch& batch, LogitsSink sink) {
    std::vector<int64_t> first_row(batch.segments.size());
    for (const RowRange& range : batch.placed) first_row[static_cast<size_t>(range.segment)] = range.first_row;
    std::vector<LogitsRow> wanted;
    for (size_t i = 0; i < batch.segments.size(); i++) {
        for (int32_t row = batch.segments[i].logits_begin; row < batch.segments[i].logits_end; row++) {
            wanted.push_back({static_cast<int32_t>(i), row});
        }
    }
    for (size_t begin = 0; begin < wanted.size(); begin += static_cast<size_t>(logits_rows_)) {
        const auto block =
            std::span(wanted).subspan(begin, std::min(static_cast<size_t>(logits_rows_), wanted.size() - begin));
        math::Workspace::Scope scope(ops_.workspace);
        const auto x = ops_.workspace.matrix<float>(std::ssize(block), batch.x.cols);
        const auto logits = ops_.workspace.matrix<float>(std::ssize(block), model_.spec().vocabulary);
        std::vector<int32_t> positions;
        std::vector<model::AdapterRun> adapters;
        for (size_t i = 0; i < block.size(); i++) {
            const auto segment = static_cast<size_t>(block[i].segment);
            std::copy_n(batch.x.row(first_row[segment] + block[i].row), x.cols, x.row(static_cast<int64_t>(i)));
            positions.push_back(batch.segments[segment].first_position + block[i].row);
            add_run(adapters, batch.segments[segment].adapter, static_cast<int64_t>(i), 1);
        }
        model::Pass pass{
            .ops = ops_, .positions = positions, .segments = {}, .page_pool = page_pool_, .adapters = adapters};
        model_.head(x, logits, pass);
        sink(block, logits);
    }
}

}  // namespace hone::engine
