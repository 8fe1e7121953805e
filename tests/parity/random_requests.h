// Requests of every kind for parity tests, from a seed: greedy and drawn, with and without prompt log-probabilities,
// penalties and stops; some share a prefix, the last two are choices of one prompt.
#pragma once

#include <algorithm>
#include <vector>

#include "base/rng.h"
#include "engine/engine.h"

namespace hone::parity {

inline engine::SamplingParams random_sampling(Random& random) {
    engine::SamplingParams sampling;
    sampling.seed = random.bits64();
    sampling.temperature = random.below(3) == 0 ? 0 : 0.8f;
    if (random.below(3) == 0) sampling.top_k = 30;
    if (random.below(3) == 0) sampling.top_p = 0.9f;
    if (random.below(3) == 0) sampling.repetition_penalty = 1.1f;
    if (random.below(3) == 0) sampling.stop_ids = {3, 4, 5, 6, 7};
    if (random.below(2) == 0) sampling.prompt_logprobs = 1;
    sampling.top_logprobs = 2;
    sampling.max_tokens = static_cast<int32_t>(random.below(70)) + (sampling.prompt_logprobs < 0);
    sampling.min_tokens = std::min(3, sampling.max_tokens);
    return sampling;
}

// The first prompt has up to `longest` tokens, or exactly so many if `full` is set; the others are shorter.
inline std::vector<engine::Request> random_requests(uint64_t seed, int32_t vocabulary, size_t longest,
                                                    bool full = false) {
    Random random(seed, 9);
    std::vector<engine::Request> requests(4);
    for (size_t i = 0; i < requests.size(); i++) {
        engine::Request& request = requests[i];
        size_t length = 1 + random.below(i == 0 ? longest : longest * 2 / 5);
        if (i == 0 && full) length = longest;
        if (i == 3) request.prompt = requests[2].prompt;
        while (i != 3 && request.prompt.size() < length) {
            const bool shares = i > 0 && request.prompt.size() < std::min<size_t>(100, requests[0].prompt.size());
            request.prompt.push_back(shares ? requests[0].prompt[request.prompt.size()]
                                            : static_cast<int32_t>(random.below(static_cast<uint64_t>(vocabulary))));
        }
        request.sampling = random_sampling(random);
        request.sampling.choice = i == 3;
    }
    return requests;
}

}  // namespace hone::parity
