// What is told about one token of a sequence. Plain data.
#pragma once

#include <cstdint>
#include <vector>

namespace hone::engine {

struct TokenLogprob {
    int32_t token = 0;
    float logprob = 0;
};

// A sampled (or, for prompt log-probabilities, a given) token. `raw` is under the model's logits as they are;
// `processed` under temperature, penalties, bias and the top-k/top-p/min-p cut that the token was drawn with.
struct TokenRecord {
    int32_t token = 0;
    float raw_logprob = 0, processed_logprob = 0;
    int32_t rank = 0;  // of the token under the raw log-probabilities, 1 = most likely; only with logprobs asked for
    std::vector<TokenLogprob> top;  // the N most likely by raw log-probability, descending, ties by index
};

}  // namespace hone::engine
