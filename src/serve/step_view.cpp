#include "serve/step_view.h"

#include <algorithm>
#include <iterator>

namespace hone::serve {

namespace {

using engine::StepFacts;
using engine::StepPart;

// Seconds over which rates and gaps are told, the gaps that are kept, and how long a sequence without a token is known.
constexpr double kTokenRateSeconds = 1, kGapSeconds = 10, kForgetSeconds = 60;
constexpr size_t kMostGaps = 8192;

void append_part(std::string& out, const StepPart& part) {
    fmt::format_to(std::back_inserter(out),
                   R"({{"id":{},"kind":"{}","tokens":{},"first":{},"layers":[{},{}],"emits":{}}})", part.sequence,
                   part.decodes ? "decode" : "prefill", part.tokens, part.first_token, part.first_layer, part.end_layer,
                   part.emits);
}

}  // namespace

std::string number_or_null(std::optional<double> number) {
    return number ? fmt::format("{:.3f}", *number) : "null";
}

std::optional<double> gap_target_ms(const engine::EngineFacts& facts, const engine::EngineMetrics& metrics) {
    if (facts.prefill != engine::PrefillPolicy::automatic) return std::nullopt;
    if (facts.token_gap.milliseconds > 0) return static_cast<double>(facts.token_gap.milliseconds);
    const double seconds = metrics.prefill.budget_seconds;
    if (facts.token_gap.factor_percent == 0 || seconds == 0) return std::nullopt;
    return 1e3 * seconds;
}

void StepView::begin(const engine::EngineMetrics& metrics, double now) {
    samples_.clear();
    gaps_.clear();
    last_token_.clear();
    last_numbers_.clear();
    add_sample(metrics, now);
}

// One sample is older than the window, so that a rate is over all of it.
void StepView::add_sample(const engine::EngineMetrics& metrics, double now) {
    samples_.push_back({now, metrics.generated_tokens, metrics.prefill.row_layers});
    while (samples_.size() > 2 && samples_[1].at <= now - kTokenRateSeconds) samples_.pop_front();
}

// Between two tokens of a sequence there is a gap only where none may have come that was not told.
void StepView::add_gaps(const engine::StepTap::Batch& batch, double now) {
    if (batch.dropped > 0)
        last_token_.clear();  // where among these steps the others came is not known
    else
        take_gaps(batch);
    while (!gaps_.empty() && (gaps_.size() > kMostGaps || gaps_.front().at < now - kGapSeconds)) gaps_.pop_front();
    std::erase_if(last_token_, [&](const auto& entry) { return entry.second < now - kForgetSeconds; });
}

void StepView::take_gaps(const engine::StepTap::Batch& batch) {
    size_t next = 0;
    for (const StepFacts& step : batch.steps) {
        const double at = step.begin + step.seconds;
        for (const size_t end = next + static_cast<size_t>(step.parts); next < end; ++next) {
            const StepPart& part = batch.parts[next];
            if (!part.emits) continue;
            const auto [found, is_first] = last_token_.try_emplace(part.sequence, at);
            if (!is_first) gaps_.push_back({at, at - std::exchange(found->second, at)});
        }
        if (static_cast<size_t>(step.parts) == engine::StepTap::kMostParts)  // others may have had a token in it, too
            std::erase_if(last_token_, [at](const auto& entry) { return entry.second != at; });
    }
}

std::optional<double> StepView::gap_percentile(int percent) const {
    if (gaps_.empty()) return std::nullopt;
    std::vector<double> seconds;
    for (const Gap& gap : gaps_) seconds.push_back(gap.seconds);
    const size_t rank = (seconds.size() * static_cast<size_t>(percent) + 99) / 100 - 1;
    std::ranges::nth_element(seconds, seconds.begin() + static_cast<std::ptrdiff_t>(rank));
    return 1e3 * seconds[rank];
}

std::string StepView::numbers(const engine::EngineMetrics& metrics, const engine::EngineFacts& facts) const {
    const Sample &first = samples_.front(), &last = samples_.back();
    const double seconds = last.at - first.at;
    const auto rate = [seconds](uint64_t from, uint64_t to) {
        return seconds > 0 ? static_cast<double>(to - from) / seconds : 0;
    };
    return fmt::format(
        R"("streams":{},"waiting":{},"paused":{},"pages_used":{},"pages_cached":{},"prefix_hit_tokens":{},)"
        R"("tokens_per_second":{:.1f},"prompt_tokens_per_second":{:.1f},)"
        R"("gap_p50_ms":{},"gap_p99_ms":{},"gap_target_ms":{})",
        metrics.running, metrics.waiting, metrics.paused, metrics.pages_in_use, metrics.pages_cached,
        metrics.cached_tokens, rate(first.generated_tokens, last.generated_tokens),
        rate(first.row_layers, last.row_layers) / std::max(1, facts.layers), number_or_null(gap_percentile(50)),
        number_or_null(gap_percentile(99)), number_or_null(gap_target_ms(facts, metrics)));
}

StepView::Event StepView::next(const engine::StepTap::Batch& batch, const engine::EngineMetrics& metrics,
                               const engine::EngineFacts& facts, double now) {
    add_sample(metrics, now);
    add_gaps(batch, now);
    size_t first = batch.steps.size(), first_part = batch.parts.size();
    while (first > 0 && batch.steps.size() - first < kMostSteps) {
        const auto parts = static_cast<size_t>(batch.steps[first - 1].parts);
        if (batch.parts.size() - first_part + parts > kMostParts) break;
        --first;
        first_part -= parts;
    }
    Event event{.steps = batch.steps.size() - first, .dropped = batch.dropped + first};
    event.fields = fmt::format(R"("now_ms":{:.3f},"steps":[)", milliseconds(now));
    for (size_t i = first; i < batch.steps.size(); ++i) {
        const StepFacts& step = batch.steps[i];
        fmt::format_to(std::back_inserter(event.fields), R"({}{{"t_ms":{:.3f},"ms":{:.3f},"sequences":[)",
                       i > first ? "," : "", milliseconds(step.begin), 1e3 * step.seconds);
        for (int32_t part = 0; part < step.parts; ++part) {
            if (part > 0) event.fields += ',';
            append_part(event.fields, batch.parts[first_part++]);
        }
        fmt::format_to(std::back_inserter(event.fields), R"(],"training_ms":{:.3f}}})", 1e3 * step.guest_seconds);
    }
    std::string numbers_now = numbers(metrics, facts);
    event.fields += "]," + numbers_now;
    event.is_news = !batch.steps.empty() || batch.dropped > 0 || numbers_now != last_numbers_;
    last_numbers_ = std::move(numbers_now);
    return event;
}

}  // namespace hone::serve
