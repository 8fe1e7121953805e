// Documents of one pass, laid out as TrainingPass reads them, with what each prediction counts. A plain value.
#pragma once

#include <span>
#include <vector>

#include "train/training_pass.h"

namespace hone::train {

struct WeightedBatch {
    std::vector<int32_t> tokens, targets;  // [T]
    std::vector<float> weights;            // [T], of predicting the target
    std::vector<int64_t> offsets{0};

    // Adds a document of at least two tokens, the last of which is a target alone. weights[i] is that of predicting
    // tokens[i]; weights[0] is not read.
    void add(std::span<const int32_t> document, std::span<const float> document_weights) {
        CHECK(document.size() >= 2 && document_weights.size() == document.size(), "{} tokens, {} weights",
              document.size(), document_weights.size());
        tokens.insert(tokens.end(), document.begin(), document.end() - 1);
        targets.insert(targets.end(), document.begin() + 1, document.end());
        weights.insert(weights.end(), document_weights.begin() + 1, document_weights.end());
        offsets.push_back(std::ssize(tokens));
    }
    size_t documents() const { return offsets.size() - 1; }
    PackedBatch view() const { return {tokens, offsets, {targets.data(), std::ssize(targets), 1}}; }
    // For passes that ask for no log-probabilities.
    PackedBatch without_targets() const { return {tokens, offsets, {nullptr, std::ssize(tokens), 0}}; }
};

}  // namespace hone::train
