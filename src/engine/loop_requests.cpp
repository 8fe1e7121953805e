// What happens to a loop's requests between two steps: they come, are cancelled, pause, change their weights and expire;
// and what is shown of a step to who looks on.
#include "base/clock.h"
#include "engine/loop.h"

namespace hone::engine {

// What the pages of a request are found by: its salt and the version of its weights, so that no two pairs look alike. A
// zero byte before a hexadecimal digit is a version's.
static std::string root_of(const std::string& salt, const model::Adapter* adapter) {
    if (adapter) return std::string(1, '\0') + adapter->fingerprint() + salt;
    return salt.starts_with('\0') ? std::string("\0-", 2) + salt : salt;
}

PrefixTree::Node Loop::hold_root(const std::string& salt, const model::Adapter* adapter) {
    return options_.limits.prefix_cache ? tree_.hold_root(root_of(salt, adapter)) : PrefixTree::kRoot;
}

void Loop::add(RequestId id, Request request, EventSink sink) {
    CHECK(request.sampling.seed.has_value(), "request {}", id.value);
    SequenceState sequence;
    sequence.id = sequence_of(id);
    sequence.tokens = std::move(request.prompt);
    sequence.every_row = request.sampling.prompt_logprobs >= 0;
    sequence.priority = request.priority;
    sequence.tenant = request.tenant;
    sequence.arrival_ns = static_cast<int64_t>(monotonic_seconds() * 1e9);
    sequence.root = hold_root(request.cache_salt, request.adapter.get());
    LiveRequest live;
    live.sampling = std::move(request.sampling);
    live.sink = std::move(sink);
    if (request.constraint) live.constraint = request.constraint->begin();
    live.cache_salt = std::move(request.cache_salt);
    live.adapter = std::move(request.adapter);
    live.prompt_tokens = sequence.length();
    live.max_wait = request.max_wait;
    live.deadline = request.max_wait > 0 ? monotonic_seconds() + request.max_wait : 0;
    if (live.deadline > 0) deadlines_.insert({live.deadline, id});
    held_tokens_ += live.prompt_tokens;
    enqueue(schedule_, std::move(sequence));
    CHECK(live_.emplace(id, std::move(live)).second, "request {}", id.value);
    metrics_.requests_submitted++;
    count_sequences_and_pages();
}

// Of a request that has not ended.
const SequenceState& Loop::known_sequence(RequestId id) const {
    const auto running = schedule_.running.find(sequence_of(id));
    return running != schedule_.running.end() ? running->second : schedule_.waiting.at(sequence_of(id));
}

void Loop::cancel(RequestId id) {
    const auto found = live_.find(id);
    if (found == live_.end() || found->second.ended) return;
    RequestEvent event = new_event(id, found->second, known_sequence(id));
    event.prompt_logprobs.clear();  // not whole
    finish(found->second, std::move(event), FinishReason::cancelled);
    count_sequences_and_pages();
}

void Loop::cancel_all() {
    for (const auto& [id, live] : live_) cancel(id);
}

void Loop::set_paused(RequestId id, bool paused) {
    const auto found = live_.find(id);
    if (found == live_.end() || found->second.ended) return;
    hone::engine::set_paused(schedule_, sequence_of(id), paused);
    count_sequences_and_pages();
}

void Loop::set_adapter(RequestId id, std::shared_ptr<const model::Adapter> adapter) {
    const auto found = live_.find(id);
    if (found == live_.end() || found->second.ended) return;
    LiveRequest& live = found->second;
    live.next_adapter.reset();
    if (!live.adapter == !adapter && (!adapter || adapter->fingerprint() == live.adapter->fingerprint())) return;
    const bool runs = schedule_.running.contains(sequence_of(id));
    if (runs && live.starts_over) {
        live.next_adapter = std::move(adapter);
        return;
    }
    live.starts_over |= runs;
    live.adapter = std::move(adapter);
    live.resting = {};
    live.prompt_logprobs.clear();
    const bool scores_prompt = live.sampling.prompt_logprobs >= 0 && !live.reported;
    restart(schedule_, sequence_of(id), hold_root(live.cache_salt, live.adapter.get()), scores_prompt);
    count_sequences_and_pages();
}

void Loop::expire(double now) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        const RequestId id = deadlines_.extract(deadlines_.begin()).value().second;
        const auto found = live_.find(id);
        if (found == live_.end() || found->second.ended || found->second.scheduled_at > 0) continue;
        RequestEvent event = new_event(id, found->second, known_sequence(id));
        event.message = fmt::format("the request waited {} s without being begun", found->second.max_wait);
        finish(found->second, std::move(event), FinishReason::expired);
    }
    count_sequences_and_pages();
}

// Before the commit: requests that end with it are gone behind it. Prompts first: they are few, and many streams would
// leave them no room.
void Loop::note_parts(const std::vector<BatchSegment>& batch) {
    for (const bool prompts : {true, false})
        for (const BatchSegment& laid : batch)
            if (laid.prompt == prompts) note_part(laid);
}

void Loop::note_part(const BatchSegment& laid) {
    const Segment& segment = laid.segment;
    if (segment.end_layer == segment.first_layer) return;  // its time was up
    if (shown_parts_.size() == StepTap::kMostParts) return;
    const bool is_whole = segment.end_layer == options_.limits.layers && segment.end_token == laid.sequence->length();
    shown_parts_.push_back({.sequence = segment.sequence.value,
                            .first_token = segment.first_token,
                            .tokens = segment.end_token - segment.first_token,
                            .first_layer = segment.first_layer,
                            .end_layer = segment.end_layer,
                            .decodes = !laid.prompt,
                            .emits = is_whole && laid.live->sampling.max_tokens > 0});
}

void Loop::show_step() {
    const bool is_any = shown_.seconds + shown_.guest_seconds > 0;
    if (is_any && options_.tap && options_.tap->watched()) options_.tap->record(shown_, shown_parts_);
    shown_ = {};
    shown_parts_.clear();
}

}  // namespace hone::engine
