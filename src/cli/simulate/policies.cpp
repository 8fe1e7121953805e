#include "cli/simulate/policies.h"

#include <charconv>

namespace hone::cli {
namespace {

struct Known {
    const char* name;
    engine::Plan (*plan)(engine::ScheduleState&);
    int32_t token_budget;
};
constexpr Known kPolicies[] = {
    {"chunked", engine::plan_chunked, 512}, {"layered", engine::plan_layered, 8192}, {"auto", engine::plan_auto, 2048}};

}  // namespace

Result<SimulatedPolicy> policy_named(const std::string& name, const PolicyOptions& options) {
    const size_t dash = name.find('-');
    int32_t budget = options.token_budget;
    if (dash != name.npos) {
        const char* const end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data() + dash + 1, end, budget);
        if (parsed.ec != std::errc() || parsed.ptr != end || budget < 1 || budget > (1 << 20))
            return error("--prefill: '{}' does not end in a token budget from 1 to {}", name, 1 << 20);
    }
    for (const Known& known : kPolicies) {
        if (name.substr(0, dash) != known.name) continue;
        return SimulatedPolicy{.name = name,
                               .policy = known.plan,
                               .limits = {.max_batch = options.max_streams,
                                          .token_budget = budget > 0 ? budget : known.token_budget,
                                          .resting_rows = options.resting_rows,
                                          .token_gap = options.token_gap,
                                          .prefix_cache = options.prefix_cache}};
    }
    return error(
        "--prefill: '{}' is no policy; choose chunked, layered or auto, with a token budget if you like: chunked-128",
        name);
}

}  // namespace hone::cli
