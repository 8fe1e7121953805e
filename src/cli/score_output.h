// The safetensors file of `hone score`: tensors are declared from the input's lengths, then written as they are
// computed.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "cli/score_input.h"
#include "math/ops/moe.h"
#include "model/checkpoint/safetensors_writer.h"
#include "model/model.h"

namespace hone::cli {

struct ScoreContents {
    bool logits = true, hidden = false, router = false;
    int32_t greedy = 0;  // tokens
};

class ScoreOutput {
  public:
    // `facts` are the file's metadata.
    static Result<ScoreOutput> create(const std::string& path, const ScoreContents& contents,
                                      const model::ModelSpec& spec, std::span<const ScoreSequence> sequences,
                                      const std::map<std::string, std::string>& facts);

    // Rows [first, first + rows) of sequence `index`.
    Status logits(size_t index, int32_t first, math::MatrixView<const float> rows);
    Status hidden(size_t index, int32_t layer, int32_t first, math::MatrixView<const float> rows);
    Status router(size_t index, int32_t layer, int32_t first, const math::Routing& routing);
    // Whole tensors.
    Status logprobs(size_t index, std::span<const float> values);
    Status greedy(size_t index, std::span<const int32_t> ids);

    Status finish() { return writer_.finish(); }

  private:
    // Index in the file of each kind's first tensor of one sequence; those of layers follow one another.
    struct Places {
        size_t logits = 0, logprobs = 0, hidden = 0, router = 0, greedy = 0;
    };
    explicit ScoreOutput(model::SafetensorsWriter writer) : writer_(std::move(writer)) {}
    template <class T>
    Status write_rows(size_t tensor, int32_t first, math::MatrixView<T> rows);

    model::SafetensorsWriter writer_;
    std::vector<Places> places_;
    std::vector<int32_t> routed_layers_;
};

}  // namespace hone::cli
