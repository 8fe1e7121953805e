// The policies of `hone simulate` by name, with the limits that belong to them.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/simulate/simulator.h"

namespace hone::cli {

struct PolicyOptions {
    int32_t token_budget = 0;        // 0: what the policy has by itself
    int32_t resting_rows = 1 << 15;  // that may lie between layers (auto)
    engine::TokenGap token_gap;      // of auto
    int32_t max_streams = 64;
    bool prefix_cache = true;
};

// "chunked", "layered" or "auto", also with a token budget of its own: "chunked-128". Errors name the flag.
Result<SimulatedPolicy> policy_named(const std::string& name, const PolicyOptions& options);

}  // namespace hone::cli
