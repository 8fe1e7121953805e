// Scores one sequence at a time without the engine loop, in chunks of tokens and groups of layers: for `hone score`,
// tests and tools. The schedule never changes a bit. Owns its cache pages, threads and scratch; used by the thread that
// made it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "engine/cache/page_pool.h"
#include "engine/executor.h"

namespace hone::engine {

struct ScoreSchedule {
    int32_t chunk_tokens = 512;   // tokens that go through the layers together; at least 1
    int32_t layers_per_step = 0;  // layers a step; 0: all
};

// logits [rows, vocabulary] of the positions from first_position on; positions ascend from call to call.
using ScoreSink = FunctionRef<void(int32_t first_position, math::MatrixView<const float> logits)>;

class Scorer {
  public:
    // `model` and `kernels` outlive the scorer; sequences are up to max_tokens long. threads 0: every usable CPU.
    // Errors: more tokens than the model has positions, no memory.
    static Result<std::unique_ptr<Scorer>> create(const model::Model& model, const math::KernelTable& kernels,
                                                  int32_t max_tokens, int threads,
                                                  math::NumericClass int4_class = math::NumericClass::i8g32);

    // Starts an empty sequence, computed with the adapter, which outlives it, or (null) with the model's own weights;
    // what the last one held is zeroed.
    void begin(const model::Adapter* adapter = nullptr);
    // Appends tokens and tells the logits of their positions. Taps see the rows of this call as chunks:
    // RowRange::segment is 0 and the first row's position is chunk_position() + RowRange::begin. Errors: a token outside
    // the vocabulary, too many tokens; nothing is appended.
    Status extend(std::span<const int32_t> ids, const ScoreSchedule& schedule, ScoreSink sink,
                  const ExecutorTaps& taps = {});

    int32_t chunk_position() const { return chunk_position_; }
    int32_t length() const { return length_; }

  private:
    Scorer(const model::Model& model, const math::KernelTable& kernels, PagePool pages, int threads,
           math::NumericClass int4_class);

    const model::Model& model_;
    PagePool pages_;
    ThreadPool threads_;
    math::Workspace workspace_;
    math::OpContext ops_;
    Executor executor_;
    std::vector<int32_t> table_;
    RestingRows resting_;
    int32_t length_ = 0, chunk_position_ = 0;
    const model::Adapter* adapter_ = nullptr;
};

}  // namespace hone::engine
