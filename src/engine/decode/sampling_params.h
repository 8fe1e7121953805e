// How a request's tokens are drawn. Plain data; ranges are checked by validate().
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hone::engine {

// Below it the softmax may overflow, and the largest logit is taken instead.
constexpr float kGreedyTemperature = 1e-5f;

// Ranges. Within them no finite logit is processed to one that is not.
constexpr double kMaxTemperature = 100;
constexpr double kMinRepetitionPenalty = 0.01, kMaxRepetitionPenalty = 100;
constexpr double kMaxPenalty = 2;    // presence and frequency, either sign
constexpr double kMaxBias = 100;     // either sign
constexpr size_t kMaxListed = 4096;  // logit_bias, stop_ids

struct SamplingParams {
    float temperature = 1;  // 0: greedy
    int32_t top_k = 0;      // 0: all
    float top_p = 1, min_p = 0;
    float repetition_penalty = 1;                         // over prompt and output (CTRL, arXiv 1909.05858)
    float presence_penalty = 0, frequency_penalty = 0;    // over output, as OpenAI defines them
    std::vector<std::pair<int32_t, float>> logit_bias{};  // token, addend
    std::vector<int32_t> stop_ids{};                      // end the request; the caller adds end-of-sequence ids
    int32_t min_tokens = 0;                               // stop ids cannot be drawn before
    int32_t max_tokens = 16;                              // 0 is allowed with prompt log-probabilities (scoring)
    std::optional<uint64_t> seed{};                       // not given: drawn once and returned
    int32_t choice = 0;            // index among the request's choices, part of the generator's key
    int32_t top_logprobs = -1;     // most likely tokens to report with each token; -1: no log-probabilities
    int32_t prompt_logprobs = -1;  // the same for prompt tokens; -1: none

    Status validate() const;
};

}  // namespace hone::engine
