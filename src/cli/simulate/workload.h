// What arrives at a simulated server, and when. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace hone::cli {

// One request. Its tokens, prompt and generated, are simulated_token(i < prefix_tokens ? prefix : text, i), so that
// requests with the same prefix, or of one conversation (the same text), really begin with the same tokens.
struct SimulatedRequest {
    double seconds = 0;  // of its arrival, or how long after the end of request `after`
    int32_t after = -1;  // index of the request that it follows; -1: none
    int32_t prompt_tokens = 1, output_tokens = 1;
    uint64_t text = 0, prefix = 0;
    int32_t prefix_tokens = 0;
    int32_t priority = 0;
    uint32_t tenant = 0;

    int32_t token(int32_t position) const;
};

inline int32_t simulated_token(uint64_t text, int32_t position) {
    uint64_t mixed = (text + 1) * 0x9E3779B97F4A7C15 + static_cast<uint64_t>(position) * 0xD6E8FEB86659FD93;
    mixed = (mixed ^ (mixed >> 31)) * 0xBF58476D1CE4E5B9;
    return static_cast<int32_t>(mixed >> 33);
}

inline int32_t SimulatedRequest::token(int32_t position) const {
    return simulated_token(position < prefix_tokens ? prefix : text, position);
}

struct WorkloadOptions {
    std::string kind = "sharegpt";     // sharegpt, arxiv, lengths, agents
    std::string arrivals = "poisson";  // poisson, bursts, even
    double rate = 1;                   // requests a second; of agents, conversations that begin
    int32_t burst = 8;                 // requests that arrive together (bursts)
    int32_t requests = 500;            // in all
    std::string prompt, output;        // lengths; empty: the kind's own, of lengths and agents 512 and 128
    int32_t shared_prefix = 0;         // tokens that all prompts begin with
    int32_t turns = 20;                // of a conversation (agents)
    int32_t turn_tokens = 200;         // that each turn adds to what was said (agents)
    double think_seconds = 1;          // between the end of a turn and the next (agents)
    int32_t longest = 1 << 24;  // tokens of a request, prompt and output; longer ones are drawn anew (but for agents)
    uint64_t seed = 1;
};

// The requests; those that follow none ascend in time. Errors name the flag.
Result<std::vector<SimulatedRequest>> generate_workload(const WorkloadOptions& options);

// A trace: JSON lines {"arrival": SECONDS, "prompt_tokens": N, "output_tokens": N}, with optional "prefix_id": N and
// "prefix_tokens": N (the first tokens, the same in all lines of that id), "priority": N, "tenant": N, and "after": LINE
// (counted from 1; then "arrival" counts from that request's end). Errors name file, line and field.
Result<std::vector<SimulatedRequest>> read_trace(const std::string& path);

}  // namespace hone::cli
