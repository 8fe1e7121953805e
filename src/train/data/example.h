// What a record of training data is once it is read: token ids, and how much each counts. Plain values.
#pragma once

#include <cstdint>
#include <vector>

namespace hone::train {

struct Example {
    std::vector<int32_t> tokens;
    std::vector<float> weights;  // of the loss of predicting tokens[i] from those before it; of the first token 0
};

// One line of data. Mostly one example; of preferences two, chosen and rejected, or none; of a conversation that its
// template does not merely append to, several; none where nothing is trained on.
struct Record {
    std::vector<Example> examples;
    bool is_text = false;  // may be cut into windows: text, token ids without weights
};

}  // namespace hone::train
