#include "engine/loop.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>

#include "base/clock.h"
#include "base/log.h"

namespace hone::engine {

constexpr size_t kMostForced = 64;  // tokens that are appended at once: rows of one step

// Of a guest's turn, in seconds: as long as a request that comes may wait, and what pays for changing over.
constexpr double kIdleTurn = 0.004, kLeastTurn = 0.001;

static LoopOptions with_layers(LoopOptions options, int32_t layers) {
    options.limits.layers = layers;
    return options;
}

static ModelShape shape_of(const model::ModelSpec& spec) {
    return {spec.layers, spec.routed_layers, spec.experts, spec.experts_per_token};
}

Loop::Loop(const model::Model& model, const math::KernelTable& kernels, PagePool pages, LoopOptions options,
           std::unique_ptr<SpillStore> spill)
    : model_(model),
      options_(with_layers(std::move(options), model.spec().layers)),
      threads_(options_.threads),
      ops_{threads_, workspace_, kernels, options_.int4_class},
      pages_(std::move(pages)),
      tree_(pages_),
      schedule_{.limits = options_.limits, .pool = pages_, .tree = tree_, .waiting = {}, .running = {}},
      spill_(std::move(spill)),
      executor_(model, ops_, pages_.data(), options_.blocks),
      cost_model_(shape_of(model.spec())),
      samplers_(static_cast<size_t>(options_.threads), Sampler(kernels, model.spec().vocabulary)) {
    schedule_.shape = cost_model_.shape();
    schedule_.costs = cost_model_.costs();
    pages_.set_row_copier(
        [&model](const std::byte* from, std::byte* to, int32_t rows) { model.copy_cache_rows(from, to, rows); });
    if (spill_) schedule_.source = &fetcher_.emplace(schedule_, *spill_);
    metrics_.pages_total = pages_.total();
    if (options_.turns) options_.turns->open(threads_, options_.wake);
}

Loop::~Loop() {
    if (options_.turns) options_.turns->close();
}

bool Loop::idle() const {
    const auto stands_still = [](const auto& entry) { return entry.second.stands_still(); };
    return std::ranges::all_of(schedule_.running, stands_still) && std::ranges::all_of(schedule_.waiting, stands_still);
}

void Loop::step() {
    const double started = monotonic_seconds();
    turn_end_ = 0;
    if (fetcher_) fetcher_->advance();
    Plan plan = make_plan();
    if (plan.segments.empty()) return fetcher_->wait();
    std::vector<BatchSegment> batch;
    ExecutorReport report;
    try {
        batch = lay_out(plan);
        const TimeBudget budget(schedule_, plan, prompts_stood_);
        report = run_layers(batch, [&](int32_t layer, bool moved) {
            if (plan.budget_ps == 0) return !moved || !(options_.interrupted && options_.interrupted());
            return budget.allows(layer, monotonic_seconds() - started, moved);
        });
    } catch (const std::bad_alloc&) {
        return drop(plan);
    }
    stop_where_reached(plan, batch, report);
    prompts_stood_ = stood_still(plan);
    if (options_.tap && options_.tap->watched()) note_parts(batch);
    commit_step(plan, batch);
    const double seconds = monotonic_seconds() - started;
    int64_t logits_rows = 0;
    LayerWork decodes;
    for (const BatchSegment& segment : batch) {
        logits_rows += segment.logits_end - segment.logits_begin;
        if (!segment.prompt) decodes.add(segment.segment);
    }
    cost_model_.observe(plan.segments, {.layer_seconds = report.layer_seconds,
                                        .logits_rows = logits_rows,
                                        .head_seconds = report.head_seconds,
                                        .seconds = seconds});
    schedule_.costs = cost_model_.costs();
    count_prompts(plan, batch);
    const bool prompts = std::ranges::any_of(batch, &BatchSegment::prompt);
    const int64_t turn_end =
        turn_end_ps(schedule_, decodes, prompts, static_cast<int64_t>(seconds * kPicosecondsPerSecond));
    turn_end_ = started + static_cast<double>(turn_end) / kPicosecondsPerSecond;
    metrics_.steps++;
    metrics_.busy_seconds += seconds;
    shown_.begin = started;
    shown_.seconds = seconds;
    count_sequences_and_pages();
}

void Loop::give_turn() {
    if (!guest_waits()) return;
    const double now = monotonic_seconds();
    const double seconds = idle() ? kIdleTurn : turn_end_ - now;
    if (seconds < kLeastTurn) return;
    if (shown_.seconds == 0) shown_.begin = now;
    shown_.guest_seconds = options_.turns->give(seconds);
    metrics_.guest_seconds += shown_.guest_seconds;
}

// There was no memory to run the plan. Nothing of it is computed yet by the schedule's account, and what its rows wrote
// lies behind the computed ones of their own pages; so it is undone by ending its requests, the way cancelling ends them.
void Loop::drop(const Plan& plan) {
    LOG_ERROR("no memory for a step: the {} requests in it end", plan.segments.size());
    for (const Segment& segment : plan.segments) {
        const RequestId id{segment.sequence.value};
        LiveRequest& live = live_.at(id);
        RequestEvent event = new_event(id, live, known_sequence(id));
        event.prompt_logprobs.clear();  // not whole
        event.message = "the server had no memory for this step of the request; try again later";
        finish(live, std::move(event), FinishReason::error);
    }
    count_sequences_and_pages();
}

Plan Loop::make_plan() {
    Plan plan = options_.policy(schedule_);
    CHECK(!plan.segments.empty() || (fetcher_ && fetcher_->busy()), "nothing planned: {} run, {} wait",
          schedule_.running.size(), schedule_.waiting.size());
    metrics_.preemptions = schedule_.preemptions;
    for (const SequenceId id : plan.preempted) live_.at({id.value}).resting = {};
    return plan;
}

// Which rows of which segment want logits: prompt rows not scored before if the request scores its prompt, and the row
// of the last known token if another one is to be drawn.
std::vector<Loop::BatchSegment> Loop::lay_out(const Plan& plan) {
    std::vector<BatchSegment> batch;
    for (const Segment& segment : plan.segments) {
        LiveRequest& live = live_.at({segment.sequence.value});
        const SequenceState& sequence = schedule_.running.at(segment.sequence);
        if (live.scheduled_at == 0) {
            const auto tokens = static_cast<uint64_t>(live.prompt_tokens);
            metrics_.prompt_tokens += tokens;
            if (options_.limits.prefix_cache && !sequence.every_row) metrics_.queried_tokens += tokens;
            live.scheduled_at = monotonic_seconds();
        }
        BatchSegment laid{
            .segment = segment, .live = &live, .sequence = &sequence, .prompt = !sequence.decoding, .records = {}};
        if (segment.end_layer == options_.limits.layers) {
            const int32_t rows = segment.end_token - segment.first_token;
            const bool draws = segment.end_token == sequence.length() && live.sampling.max_tokens > 0;
            laid.logits_end = draws ? rows : std::clamp(live.prompt_tokens - 1 - segment.first_token, 0, rows);
            const auto scored = static_cast<int32_t>(live.prompt_logprobs.size());
            const int32_t first = sequence.every_row && !live.reported ? scored : sequence.length() - 1;
            laid.logits_begin = std::clamp(first - segment.first_token, 0, laid.logits_end);
            laid.records.resize(static_cast<size_t>(laid.logits_end - laid.logits_begin));
        }
        batch.push_back(std::move(laid));
    }
    return batch;
}

ExecutorReport Loop::run_layers(std::vector<BatchSegment>& batch, const LayerGate& gate) {
    std::vector<ExecutorSegment> segments;
    for (const BatchSegment& laid : batch) {
        const auto first = static_cast<size_t>(laid.segment.first_token);
        const auto rows = static_cast<size_t>(laid.segment.end_token) - first;
        segments.push_back({.ids = std::span(laid.sequence->tokens).subspan(first, rows),
                            .first_position = laid.segment.first_token,
                            .pages = laid.sequence->pages,
                            .first_layer = laid.segment.first_layer,
                            .end_layer = laid.segment.end_layer,
                            .resting = &laid.live->resting,
                            .chunk_rows = laid.sequence->issued - laid.segment.first_token,
                            .may_stop = laid.segment.may_stop,
                            .logits_begin = laid.logits_begin,
                            .logits_end = laid.logits_end,
                            .adapter = laid.live->adapter.get()});
    }
    const auto sink = [&](std::span<const LogitsRow> rows, math::MatrixView<const float> logits) {
        sample(batch, rows, logits);
    };
    return executor_.run(segments, sink, {}, gate);
}

// Segments that the gate stopped did less than planned.
void Loop::stop_where_reached(Plan& plan, std::vector<BatchSegment>& batch, const ExecutorReport& report) {
    for (size_t i = 0; i < batch.size(); i++) {
        const int32_t end_layer = report.end_layers[i];
        if (end_layer == plan.segments[i].end_layer) continue;
        plan.segments[i].end_layer = batch[i].segment.end_layer = end_layer;
        batch[i].logits_begin = batch[i].logits_end = 0;
        batch[i].records.clear();
        metrics_.prefill.stops++;
    }
}

void Loop::sample(std::vector<BatchSegment>& batch, std::span<const LogitsRow> rows,
                  math::MatrixView<const float> logits) {
    std::atomic<bool> without_memory = false;
    threads_.parallel_for(std::ssize(rows), [&](int64_t i, int worker) {
        const LogitsRow& at = rows[static_cast<size_t>(i)];
        BatchSegment& segment = batch[static_cast<size_t>(at.segment)];
        try {
            segment.records[static_cast<size_t>(at.row - segment.logits_begin)] =
                sample_row(samplers_[static_cast<size_t>(worker)], segment, at.row, logits.row_span(i));
        } catch (const std::bad_alloc&) {  // a worker has nobody above it
            without_memory = true;
        }
    });
    if (without_memory) throw std::bad_alloc();
}

Result<TokenRecord> Loop::sample_row(Sampler& sampler, const BatchSegment& segment, int32_t row,
                                     std::span<const float> logits) {
    const std::vector<int32_t>& tokens = segment.sequence->tokens;
    const auto next = static_cast<size_t>(segment.segment.first_token + row) + 1;
    const LiveRequest& live = *segment.live;
    const SamplingParams& sampling = live.sampling;
    if (next < tokens.size()) return sampler.score(logits, tokens[next], sampling.prompt_logprobs);
    DrawContext context{
        .params = sampling, .seed = *sampling.seed, .tokens = tokens, .prompt_tokens = live.prompt_tokens};
    if (!live.forced.empty()) {
        context.forced = live.forced.front();
    } else if (live.constraint) {
        const auto allowed = live.constraint->allowed();
        if (!allowed) return allowed.error();
        context.allowed = *allowed;
    }
    return sampler.draw(logits, context);
}

void Loop::commit_step(const Plan& plan, std::vector<BatchSegment>& batch) {
    commit(schedule_, plan);
    count_step(plan);
    for (BatchSegment& segment : batch) {
        if (!segment.sequence->resting()) segment.live->resting = {};
        settle(segment);
    }
}

// Notes what the segment brought; at the sequence's end that is a token or the end of the request.
void Loop::settle(BatchSegment& segment) {
    LiveRequest& live = *segment.live;
    const RequestId id{segment.segment.sequence.value};
    const bool whole =
        segment.segment.end_layer == options_.limits.layers && segment.segment.end_token == segment.sequence->length();
    const bool draws = whole && live.sampling.max_tokens > 0;
    for (size_t i = 0; i < segment.records.size(); i++) {
        Result<TokenRecord>& record = *segment.records[i];
        if (!record) {
            RequestEvent event = new_event(id, live, *segment.sequence);
            event.message = fmt::format("position {}: {}",
                                        segment.segment.first_token + segment.logits_begin + static_cast<int32_t>(i),
                                        record.error().message);
            return finish(live, std::move(event), FinishReason::error);
        }
        if (draws && i + 1 == segment.records.size()) return accept(segment, std::move(*record));
        live.prompt_logprobs.push_back(std::move(*record));
    }
    if (whole) finish(live, new_event(id, live, *segment.sequence), FinishReason::length);
}

// Appends a drawn token and those that its constraint forces behind it, or ends the request with one of them.
void Loop::accept(BatchSegment& segment, TokenRecord record) {
    LiveRequest& live = *segment.live;
    const SequenceId id = segment.segment.sequence;
    RequestEvent event = new_event({id.value}, live, *segment.sequence);
    std::optional<FinishReason> end = append(live, id, std::move(record), event);
    // What is forced has no logits yet, so it waits for its turn where log-probabilities are wanted.
    const bool waits = live.sampling.top_logprobs >= 0;
    while (!end && !waits && !live.forced.empty() && event.tokens.size() <= kMostForced) {
        end = append(live, id, {.token = live.forced.front()}, event);
    }
    if (end) return finish(live, std::move(event), *end);
    events_.push_back(std::move(event));
    live.starts_over = false;
    if (live.next_adapter) set_adapter({id.value}, *live.next_adapter);
}

// Tells the constraint the token and, behind one that was drawn freely, asks what has to follow: the same tokens whether
// they are appended at once or one a step.
Status Loop::follow(LiveRequest& live, int32_t token) {
    if (!live.constraint) return ok();
    if (const Status status = live.constraint->accept(token); !status) return status;
    if (!live.forced.empty()) {
        live.forced.pop_front();
        return ok();
    }
    const auto forced = live.constraint->forced();
    if (!forced) return forced.error();
    live.forced.assign(forced->begin(), forced->end());
    return ok();
}

// Why the request ends with this token, if it does.
std::optional<FinishReason> Loop::append(LiveRequest& live, SequenceId id, TokenRecord record, RequestEvent& event) {
    const int32_t token = record.token;
    const int32_t generated = schedule_.running.at(id).length() + 1 - live.prompt_tokens;
    if (const Status status = follow(live, token); !status) {
        event.message = fmt::format("position {}: {}", schedule_.running.at(id).length(), status.error().message);
        return FinishReason::error;
    }
    event.tokens.push_back(std::move(record));
    metrics_.generated_tokens++;
    const bool is_stop = std::ranges::find(live.sampling.stop_ids, token) != live.sampling.stop_ids.end();
    if (is_stop || (live.constraint && live.constraint->ended())) {
        event.stop_token = token;
        return FinishReason::stop;
    }
    if (generated >= live.sampling.max_tokens) return FinishReason::length;
    append_token(schedule_, id, token);
    return std::nullopt;
}

RequestEvent Loop::new_event(RequestId id, LiveRequest& live, const SequenceState& sequence) {
    RequestEvent event;
    event.request = id;
    event.seed = *live.sampling.seed;
    event.adapter = live.adapter;
    if (live.reported) return event;
    live.reported = true;
    event.prompt_logprobs = std::move(live.prompt_logprobs);
    event.cached_tokens = std::min(sequence.cached, live.prompt_tokens);
    event.scheduled_at = live.scheduled_at;
    metrics_.cached_tokens += static_cast<uint64_t>(event.cached_tokens);
    return event;
}

// The request's pages are free from here on.
void Loop::finish(LiveRequest& live, RequestEvent event, FinishReason reason) {
    live.ended = true;
    const bool is_cancelled = reason == FinishReason::cancelled || reason == FinishReason::expired;
    (is_cancelled ? metrics_.requests_cancelled : metrics_.requests_finished)++;
    event.finish = reason;
    remove_sequence(schedule_, sequence_of(event.request));
    events_.push_back(std::move(event));
}

void Loop::report() {
    for (RequestEvent& event : events_) deliver(std::move(event));
    events_.clear();
    count_sequences_and_pages();
}

void Loop::deliver(RequestEvent event) {
    const RequestId id = event.request;
    const auto found = live_.find(id);
    if (found == live_.end()) return;  // dropped with an earlier event of the same report
    const bool last = event.finish.has_value();
    std::string failure;
    try {
        found->second.sink(std::move(event));
    } catch (const std::exception& exception) {
        failure = fmt::format("its sink threw \"{}\"", exception.what());
    } catch (...) {
        failure = "its sink threw";
    }
    if (!failure.empty()) LOG_WARN("request {}: {}; the request is dropped", id.value, failure);
    if (!failure.empty() && !found->second.ended) {
        remove_sequence(schedule_, sequence_of(id));
        metrics_.requests_cancelled++;
    }
    if (last || !failure.empty()) forget(id);
}

void Loop::forget(RequestId id) {
    const auto found = live_.find(id);
    held_tokens_ -= found->second.prompt_tokens;
    deadlines_.erase({found->second.deadline, id});
    live_.erase(found);
}

}  // namespace hone::engine
