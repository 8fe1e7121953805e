#include "serve/openai/generation.h"

#include <ctime>
#include <new>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "serve/http/sse.h"

namespace hone::serve {

namespace json = boost::json;

namespace {

// A seed that nobody gave fits 53 bits, so that every JSON reader can give it back.
uint64_t draw_seed() {
    return entropy64() >> 11;
}

// Whoever holds the weights holds the version.
std::shared_ptr<const model::Adapter> weights_of(const AdapterPtr& version) {
    return version ? std::shared_ptr<const model::Adapter>(version, version->weights.get()) : nullptr;
}

std::string_view outcome_of(engine::FinishReason reason) {
    switch (reason) {
        case engine::FinishReason::stop:
            return "stop";
        case engine::FinishReason::length:
            return "length";
        case engine::FinishReason::cancelled:
        case engine::FinishReason::expired:
            return "abort";
        case engine::FinishReason::error:
            break;
    }
    return "error";
}

}  // namespace

void Generation::start(const GenerationContext& context, GenerationJob job, ExchangePtr exchange) {
    if (!job.request.sampling.seed) job.request.sampling.seed = draw_seed();
    const auto generation = std::make_shared<Generation>(context, std::move(job), std::move(exchange));
    generation->post([](Generation& self) { self.submit_all(); });
}

Generation::Generation(const GenerationContext& context, GenerationJob job, ExchangePtr exchange)
    : context_(context),
      job_(std::move(job)),
      exchange_(std::move(exchange)),
      jobs_(std::make_shared<JobSequence>(context.workers)),
      tells_tokens_(job_.request.logprobs || job_.request.return_token_ids) {
    const GenerationRequest& request = job_.request;
    format_ = std::make_unique<AnswerFormat>(AnswerFormat::Header{.endpoint = job_.endpoint,
                                                                  .id = fmt::format("{:016x}", entropy64()),
                                                                  .created = static_cast<int64_t>(std::time(nullptr)),
                                                                  .model = context.model,
                                                                  .fingerprint = context.fingerprint,
                                                                  .numeric_class = context.numeric_class,
                                                                  .seed = static_cast<int64_t>(*request.sampling.seed)},
                                             request, context.tokenizer);
    const auto stops = std::make_shared<const StopPatterns>(request.stop);
    for (const PromptTokens& prompt : job_.prompts)
        for (int32_t i = 0; i < request.choices; ++i)
            choices_.push_back(
                {.text = ChoiceText(context.tokenizer, request, stops, prompt, job_.request.echo), .prompt = &prompt});
    open_ = choices_.size();
}

void Generation::post(std::function<void(Generation&)> step) {
    jobs_->post([self = shared_from_this(), step = std::move(step)] {
        try {
            if (self->lost_event_) throw std::bad_alloc();
            step(*self);
        } catch (const std::bad_alloc&) {
            LOG_ERROR("serve: no memory for request {}", self->job_.record->id);
            self->fail(out_of_memory());
        }
    });
}

void Generation::submit_all() {
    exchange_->on_abandoned([weak = weak_from_this()](Abandoned why) {
        const auto self = weak.lock();
        if (!self) return;
        try {
            self->post([why](Generation& generation) { generation.abandon(why); });
        } catch (const std::bad_alloc&) {  // the request ends with its next event
            self->lost_event_ = true;
        }
    });
    exchange_->on_drained([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self) self->post([](Generation& generation) { generation.keep_readers_pace(); });
    });
    const GenerationRequest& request = job_.request;
    context_.metrics.submitted(request.choices, choices_.size(), request.sampling.max_tokens);
    RequestRecord& record = *job_.record;
    record.times = {.arrived = job_.arrived, .submitted = monotonic_seconds()};
    record.stream = request.stream;
    if (request.adapter) record.adapter = request.adapter->name, record.adapter_version = request.adapter->version;
    record.sequences = static_cast<int32_t>(choices_.size());
    for (const PromptTokens& prompt : job_.prompts) record.prompt_tokens += std::ssize(prompt);
    for (size_t i = 0; i < choices_.size(); ++i) {
        if (const auto problem = submit(i)) return fail(*problem);
        ++submitted_;
    }
    if (request.follow_adapter) {
        versions_.push_back(request.adapter);
        newest_ = request.adapter->version;
        move_to(context_.adapters->follow(request.adapter->name, weak_from_this()));
    }
    if (job_.request.stream)
        exchange_->begin_stream(
            {.content_type = std::string(kSseContentType), .headers = {{"Cache-Control", "no-cache"}}});
}

// The server is busy; not the client's fault.
ApiError Generation::no_room(std::string message, const char* code) {
    ApiError error = plain_error(429, std::move(message));
    error.code = code;
    error.retry_after = context_.admission->retry_after();
    context_.metrics.refused(error.code);
    return error;
}

std::optional<ApiError> Generation::submit(size_t index) {
    Choice& choice = choices_[index];
    engine::Request request{.prompt = *choice.prompt,
                            .sampling = job_.request.sampling,
                            .priority = job_.request.priority,
                            .tenant = job_.tenant,
                            .max_wait = context_.max_queue_seconds,
                            .cache_salt = job_.request.cache_salt,
                            .constraint = job_.constraint,
                            .adapter = weights_of(job_.request.adapter)};
    request.sampling.choice = static_cast<int32_t>(index) % job_.request.choices;
    // On the engine's thread: the time is taken, the rest is posted.
    engine::EventSink sink = [self = shared_from_this(), index](engine::RequestEvent event) {
        const double when = monotonic_seconds();
        try {
            self->post([index, when, event = std::move(event)](Generation& generation) mutable {
                generation.handle(index, std::move(event), when);
            });
        } catch (const std::bad_alloc&) {  // the engine drops the sequence; the request ends with its next event
            self->lost_event_ = true;
            throw;
        }
    };
    if (const Status fine = context_.generator.check(request); !fine) return ApiError{.message = fine.error().message};
    choice.times = {.arrived = job_.arrived, .submitted = monotonic_seconds()};
    const Result<engine::RequestId> id = context_.generator.submit(std::move(request), std::move(sink));
    if (!id.ok()) return no_room(id.error().message);
    choice.id = *id;
    return std::nullopt;
}

void Generation::published(const AdapterPtr& version) {
    try {
        post([version](Generation& generation) { generation.move_to(version); });
    } catch (const std::bad_alloc&) {  // the request ends with its next event
        lost_event_ = true;
    }
}

// Moves the choices, if that is the newest version that was published.
void Generation::move_to(const AdapterPtr& version) {
    if (!exchange_ || !version || version->version <= newest_) return;
    newest_ = version->version;
    std::erase_if(versions_, [](const auto& weak) { return weak.expired(); });
    versions_.push_back(version);
    for (const Choice& choice : choices_)
        if (!choice.text.finished()) context_.generator.set_adapter(choice.id, weights_of(version));
}

// Which version has computed so many tokens more of a choice, of a request that follows its adapter.
void Generation::note_version(Choice& choice, const model::Adapter* weights, int32_t tokens) {
    AdapterPtr version;
    for (const auto& weak : versions_) {
        AdapterPtr known = weak.lock();
        if (!version && known && known->weights.get() == weights) version = std::move(known);
    }
    CHECK(version, "request {}: a version that nobody asked for", job_.record->id);
    if (version->version > job_.request.adapter->version) {
        job_.request.adapter = version;
        job_.record->adapter_version = version->version;
    }
    if (tokens == 0) return;
    if (choice.versions.empty() || choice.versions.back().version != version->version)
        choice.versions.push_back({.version = version->version, .fingerprint = version->weights->fingerprint()});
    choice.versions.back().tokens += tokens;
}

void Generation::handle(size_t index, engine::RequestEvent event, double when) {
    Choice& choice = choices_[index];
    record_times(choice, event, when);
    if (!exchange_ || choice.text.finished()) return;
    if (const auto* failure = context_.failure.message()) return fail(plain_error(503, *failure));
    if (event.finish == engine::FinishReason::error)
        return fail(plain_error(500, event.message.empty() ? "the engine failed" : event.message));
    if (event.finish == engine::FinishReason::expired)
        return fail(no_room(event.message + "; the server is busy, try again later", "queue_timeout"));
    if (event.finish == engine::FinishReason::cancelled)
        return fail(plain_error(503, "the request was cancelled by the server"));
    if (!event.prompt_logprobs.empty()) choice.prompt_records = std::move(event.prompt_logprobs);
    const bool ended_by_engine = event.finish.has_value();
    const auto weights = std::move(event.adapter);
    const int32_t taken = choice.text.token_count();
    TextDelta delta = choice.text.take(std::move(event));
    if (job_.request.follow_adapter) note_version(choice, weights.get(), choice.text.token_count() - taken);
    if (choice.text.finished()) {
        --open_;
        count_outcome(choice, outcome_of(*choice.text.finish()), when);
        if (!ended_by_engine) context_.generator.cancel(choice.id);
    }
    report(index, std::move(delta));
    if (open_ == 0) return finish();
    keep_readers_pace();
}

// Pauses the choices of a stream while too much waits for its client.
void Generation::keep_readers_pace() {
    if (!exchange_ || exchange_->is_backed_up() == paused_) return;
    paused_ = !paused_;
    for (const Choice& choice : choices_)
        if (!choice.text.finished()) context_.generator.set_paused(choice.id, paused_);
}

void Generation::record_times(Choice& choice, const engine::RequestEvent& event, double when) {
    SequenceTimes& times = choice.times;
    if (event.scheduled_at > 0) times.scheduled = event.scheduled_at;
    choice.cached_tokens = std::max(choice.cached_tokens, event.cached_tokens);
    if (!event.tokens.empty() && !choice.counted) {
        if (times.first_token == 0) {
            context_.metrics.first_token(when - job_.arrived);
            times.first_token = when;
            job_.place.started();
        } else {
            const auto count = event.tokens.size();
            for (size_t i = 0; i < count; ++i)
                context_.metrics.next_token((when - times.last_token) / static_cast<double>(count));
        }
        times.last_token = when;
    }
    const bool ended_early =
        event.finish && event.finish != engine::FinishReason::stop && event.finish != engine::FinishReason::length;
    if (ended_early) count_outcome(choice, outcome_of(*event.finish), when);
}

void Generation::count_outcome(Choice& choice, std::string_view reason, double when) {
    if (std::exchange(choice.counted, true)) return;
    job_.place.ended(choice.times.first_token > 0);
    context_.metrics.ended(reason, choice.times, when, choice.prompt->size(), choice.text.token_count());
    note_outcome(choice, reason);
}

// Adds the choice to the request's record.
void Generation::note_outcome(const Choice& choice, std::string_view reason) {
    RequestRecord& record = *job_.record;
    const SequenceTimes& times = choice.times;
    const auto earlier = [](double& mine, double other) {
        if (other > 0 && (mine == 0 || other < mine)) mine = other;
    };
    earlier(record.times.scheduled, times.scheduled);
    earlier(record.times.first_token, times.first_token);
    record.times.last_token = std::max(record.times.last_token, times.last_token);
    record.output_tokens += choice.text.token_count();
    const bool is_first_of_prompt = (&choice - choices_.data()) % job_.request.choices == 0;
    if (is_first_of_prompt) record.cached_tokens += choice.cached_tokens;
    if (record.finish.find(reason) != std::string::npos) return;
    if (!record.finish.empty()) record.finish += ',';
    record.finish += reason;
}

// News of a choice: kept for a whole answer, sent in a stream.
void Generation::report(size_t index, TextDelta delta) {
    Choice& choice = choices_[index];
    if (!choice.reported) delta.text.insert(0, choice.text.take_echo());
    const GenerationRequest& request = job_.request;
    if (!request.stream) {
        choice.reported = true;
        if (tells_tokens_) std::move(delta.tokens.begin(), delta.tokens.end(), std::back_inserter(choice.whole.tokens));
        choice.whole.append(std::move(delta));
        return;
    }
    const bool tells_tokens = tells_tokens_ && !delta.tokens.empty();
    if (!delta.says_something() && !tells_tokens && !choice.text.finished()) return;
    json::array choices{format_->chunk_choice(report_of(index, delta))};
    const auto counts = request.continuous_usage ? std::optional(usage()) : std::nullopt;
    const bool has_prompt = job_.request.echo && !choice.reported;
    exchange_->write(sse_event(format_->chunk(std::move(choices), counts, !std::exchange(introduced_, true))),
                     has_prompt ? Exchange::Counted::no : Exchange::Counted::yes);
    choice.reported = true;
    choice.prompt_records = {};
    choice.versions.clear();
}

ChoiceReport Generation::report_of(size_t index, const TextDelta& delta) const {
    const Choice& choice = choices_[index];
    const bool first = !choice.reported || !job_.request.stream;
    return {.index = static_cast<int32_t>(index),
            .delta = &delta,
            .state = &choice.text,
            .prompt = choice.prompt,
            .prompt_records = choice.prompt_records,
            .versions = choice.versions,
            .echo = job_.request.echo && first,
            .first = first};
}

void Generation::finish() {
    if (job_.request.stream) {
        if (job_.request.include_usage) exchange_->write(sse_event(format_->chunk({}, usage(), false)));
        exchange_->write(kSseDone);
        exchange_->end();
    } else {
        std::vector<std::string> choices;
        for (size_t i = 0; i < choices_.size(); ++i) {
            choices.push_back(json::serialize(format_->choice(report_of(i, choices_[i].whole))));
            if (i > 0) choices_[i].prompt_records = {};  // the first choice's may be told of the whole answer
            choices_[i].whole.tokens = {};
        }
        exchange_->respond({.body = format_->whole(choices, usage(), report_of(0, choices_[0].whole))});
    }
    exchange_ = nullptr;
}

// Of choices of one prompt the first one's cache hits count: the others find what it left.
UsageCounts Generation::usage() const {
    UsageCounts counts;
    for (const Choice& choice : choices_) counts.completion_tokens += choice.text.token_count();
    for (size_t i = 0; i < choices_.size(); i += static_cast<size_t>(job_.request.choices)) {
        counts.prompt_tokens += std::ssize(*choices_[i].prompt);
        counts.cached_tokens += choices_[i].cached_tokens;
    }
    return counts;
}

// A stream that has begun ends with the error as its last event, without [DONE].
void Generation::fail(const ApiError& error) {
    const ExchangePtr exchange = std::exchange(exchange_, nullptr);
    if (!exchange) return;
    Response answer = error_response(error);
    const bool streaming = job_.request.stream && submitted_ == choices_.size();
    if (streaming) {
        job_.record->stream_error = std::move(answer.error);
        exchange->write(sse_event(answer.body));
        exchange->end();
    } else {
        exchange->respond(std::move(answer));
    }
    cancel_unfinished();
}

void Generation::abandon(Abandoned why) {
    if (!exchange_) return;
    if (why == Abandoned::server_stopping) return fail(plain_error(503, "the server is shutting down"));
    cancel_unfinished();  // where there is no memory for it, fail() tries again
    exchange_ = nullptr;
}

void Generation::cancel_unfinished() {
    for (size_t i = 0; i < submitted_; ++i)
        if (!choices_[i].text.finished()) context_.generator.cancel(choices_[i].id);
}

}  // namespace hone::serve
