// What the loop's steps add to its metrics.
#include <algorithm>

#include "engine/loop.h"

namespace hone::engine {

void Loop::count_prompts(const Plan& plan, const std::vector<BatchSegment>& batch) {
    PrefillMetrics& prefill = metrics_.prefill;
    for (const BatchSegment& segment : batch) {
        if (!segment.prompt) continue;
        const auto rows = static_cast<uint64_t>(segment.segment.end_token - segment.segment.first_token);
        prefill.segments++;
        prefill.rows += rows;
        prefill.row_layers += rows * static_cast<uint64_t>(segment.segment.end_layer - segment.segment.first_layer);
    }
    prefill.backlog_tokens = prefill.resting_rows = 0;
    for (const auto* sequences : {&schedule_.waiting, &schedule_.running}) {
        for (const auto& [id, sequence] : *sequences) {
            if (!sequence.decoding) prefill.backlog_tokens += sequence.length() - sequence.computed;
            prefill.resting_rows += sequence.issued - sequence.computed;
        }
    }
    prefill.costs = schedule_.costs;
    prefill.cost_error = cost_model_.error();
    if (plan.budget_ps > 0) prefill.budget_seconds = static_cast<double>(plan.budget_ps) / kPicosecondsPerSecond;
}

void Loop::count_step(const Plan& plan) {
    int32_t tokens = 0;
    for (const Segment& segment : plan.segments)
        if (segment.end_layer == options_.limits.layers) tokens += segment.end_token - segment.first_token;
    StepSizes& sizes = metrics_.step_sizes;
    const auto bound = std::ranges::lower_bound(StepSizes::kBounds, tokens);
    sizes.steps[static_cast<size_t>(bound - StepSizes::kBounds.begin())]++;
    sizes.tokens += static_cast<uint64_t>(tokens);
}

void Loop::count_sequences_and_pages() {
    metrics_.running = static_cast<int32_t>(schedule_.running.size());
    metrics_.waiting = static_cast<int32_t>(schedule_.waiting.size());
    metrics_.paused = schedule_.paused;
    metrics_.pages_in_use = pages_.in_use();
    metrics_.pages_cached = pages_.cached_only();
    metrics_.evicted_pages = tree_.evictions();
    if (spill_) metrics_.spill = spill_->metrics();
}

}  // namespace hone::engine
