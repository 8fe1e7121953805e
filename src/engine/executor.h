// Runs a plan on a model: takes segments of rows through ranges of layers, and the rows that want it through the head.
// Cuts the layers into maximal intervals with a constant set of rows; rows are copied only where that set is not
// contiguous. Many rows cross a layer in blocks, so that what a layer keeps beside them stays bounded and near the
// processor. Used by the engine loop and by Scorer; one thread. Every row's bits are independent of the other rows
// (numerics.md).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "math/ops/op_context.h"
#include "model/model.h"

namespace hone::engine {

// Residual streams of a chunk of rows that rest between steps; owned by the sequence. Written when rows first rest.
struct RestingRows {
    int32_t first_position = 0;
    std::vector<float> values;  // [rows of the chunk, hidden]
};

struct ExecutorSegment {
    std::span<const int32_t> ids;  // tokens of the rows, at least one; inside the vocabulary
    int32_t first_position = 0;
    std::span<const int32_t> pages;  // page table up to the last row
    int32_t first_layer = 0, end_layer = 0;
    // Read if first_layer > 0; written where the segment ends before the last layer. Null: whole depth.
    RestingRows* resting = nullptr;
    int32_t chunk_rows = 0;  // from this segment's first row to the end of its chunk, at least its own; 0: its own
    // When the gate closes within the segment it ends there, and gets no logits.
    bool may_stop = false;
    int32_t logits_begin = 0, logits_end = 0;  // rows of the segment that want logits; needs end_layer == layers
    const model::Adapter* adapter = nullptr;   // null: the model's own weights
};

// Where rows of a segment lie in a matrix.
struct RowRange {
    int32_t segment = 0;    // index among those given to run()
    int32_t first_row = 0;  // in the matrix
    int32_t rows = 0;
    int32_t begin = 0;  // row of the segment that the first one is
};

struct LogitsRow {
    int32_t segment = 0, row = 0;  // row of the segment
};
// Gets the wanted rows in blocks, segments and rows ascending; the matrix is valid during the call.
using LogitsSink = FunctionRef<void(std::span<const LogitsRow> rows, math::MatrixView<const float> logits)>;

// Told after each layer about the rows that crossed it, block by block; empty functions are not called.
struct ExecutorTaps {
    std::function<void(int32_t layer, std::span<const RowRange> ranges, math::MatrixView<const float> x)> hidden;
    std::function<void(int32_t layer, std::span<const RowRange> ranges, const math::Routing& routing)> router;
};

// Asked before a layer: whether the segments that may stop there should go on; moved: one of them has passed a layer.
using LayerGate = std::function<bool(int32_t layer, bool moved)>;

// What a run did and how long it took.
struct ExecutorReport {
    std::vector<int32_t> end_layers;    // reached, by segment: below the one asked for where the gate closed
    std::vector<double> layer_seconds;  // by layer, with the copies of rows that it needed
    double head_seconds = 0;            // head and sink
};

// How many rows are computed at a time; changes no bit.
struct RowBlocks {
    // Rows that cross a layer, up to half as many more. Fewer read each expert's weights for too few products; more gain
    // nothing and push each other's activations out of the caches.
    int64_t layer_rows = 1024;
    size_t logits_bytes = size_t{64} << 20;  // of rows that cross the head, at least one
};

class Executor {
  public:
    // All outlive the executor.
    Executor(const model::Model& model, math::OpContext& ops, std::byte* page_pool, const RowBlocks& blocks = {});

    // An empty gate never closes.
    ExecutorReport run(std::span<const ExecutorSegment> segments, LogitsSink sink, const ExecutorTaps& taps = {},
                       const LayerGate& gate = {});

  private:
    struct Batch;      // the segments' rows of one run
    struct RowLayout;  // what a pass needs to know about some of them
    void load_rows(const Batch& batch);
    std::vector<RowLayout> cut_blocks(const Batch& batch, std::span<const RowRange> active, int64_t rows) const;
    void run_block(const RowLayout& block, int32_t layer, math::MatrixView<float> x, const ExecutorTaps& taps);
    int32_t run_layers(Batch& batch, int32_t first_layer, int32_t end_layer, const ExecutorTaps& taps,
                       const LayerGate& gate);
    void store_rows(const Batch& batch);
    void run_head(const Batch& batch, LogitsSink sink);

    const model::Model& model_;
    math::OpContext& ops_;
    std::byte* page_pool_;
    int64_t layer_rows_, logits_rows_;
};

}  // namespace hone::engine
