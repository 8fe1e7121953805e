#include "cli/simulate/policies.h"

#include <charconv>

#include "cli/engine_flags.h"

namespace hone::cli {
Result<SimulatedPolicy> policy_named(const std::string& name, const PolicyOptions& options) {
    const size_t dash = name.find('-');
    int32_t budget = options.token_budget;
    if (dash != name.npos) {
        const char* const end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data() + dash + 1, end, budget);
        if (parsed.ec != std::errc() || parsed.ptr != end || budget < 1 || budget > (1 << 20))
            return error("--prefill: '{}' does not end in a token budget from 1 to {}", name, 1 << 20);
    }
    const auto policy = prefill_policy_named(std::string_view(name).substr(0, dash));
    if (!policy)
        return error(
            "--prefill: '{}' is no policy; choose auto, chunked or layered, or with a token budget: chunked-128", name);
    return SimulatedPolicy{.name = name,
                           .policy = engine::policy_of(*policy),
                           .limits = {.max_batch = options.max_streams,
                                      .token_budget = budget > 0 ? budget : engine::default_token_budget(*policy),
                                      .resting_rows = options.resting_rows,
                                      .token_gap = options.token_gap,
                                      .prefix_cache = options.prefix_cache}};
}

}  // namespace hone::cli
