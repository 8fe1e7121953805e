#include "engine/engine.h"

#include <algorithm>
#include <limits>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/topology.h"
#include "engine/check_request.h"
#include "engine/loop.h"
#include "engine/mailbox.h"

namespace hone::engine {

constexpr size_t kUnknownMemory = size_t{2} << 30;  // where the system does not say what is free

// The engine thread: brings messages to its Loop and its snapshot back.
class Engine::Worker {
  public:
    Worker(const model::Model& model, const math::KernelTable& kernels, PagePool pages, LoopOptions options,
           std::unique_ptr<SpillStore> spill, int32_t max_context, const EngineFacts& facts)
        : vocabulary_(model.spec().vocabulary), max_context_(max_context), facts_(facts) {
        EngineMetrics metrics;
        metrics.pages_total = pages.total();
        if (spill) metrics.spill = spill->metrics();
        mailbox_.publish(metrics, 0);
        thread_ = std::thread([this, &model, &kernels, pages = std::move(pages), options = std::move(options),
                               spill = std::move(spill)]() mutable {
            options.interrupted = [this] { return mailbox_.has_messages(); };
            options.wake = [this] { mailbox_.post(GuestWaits{}); };
            options.tap = &steps_;
            Loop loop(model, kernels, std::move(pages), std::move(options), std::move(spill));
            run(loop);
        });
    }

    ~Worker() {
        mailbox_.close();
        mailbox_.post(Stop{});
        thread_.join();
    }

    Mailbox& mailbox() { return mailbox_; }
    int32_t vocabulary() const { return vocabulary_; }
    int32_t max_context() const { return max_context_; }
    const EngineFacts& facts() const { return facts_; }
    StepTap& steps() { return steps_; }

  private:
    void run(Loop& loop) {
        for (bool stopping = false; !stopping;) {
            stopping = receive(loop);
            loop.expire(monotonic_seconds());
            if (!loop.idle()) loop.step();
            mailbox_.publish(loop.metrics(), loop.held_tokens());  // who hears of the end finds it counted
            loop.report();
            loop.give_turn();
            loop.show_step();
            mailbox_.publish(loop.metrics(), loop.held_tokens());
        }
    }

    // Applies the messages in order, waiting for one when there is nothing to do; true if the last request was
    // cancelled to stop.
    bool receive(Loop& loop) {
        bool stopping = false;
        for (Message& message : mailbox_.collect(loop.idle() && !loop.guest_waits())) {
            if (auto* submission = std::get_if<Submission>(&message)) {
                loop.add(submission->id, std::move(submission->request), std::move(submission->sink));
            } else if (const auto* cancellation = std::get_if<Cancellation>(&message)) {
                loop.cancel(cancellation->id);
            } else if (const auto* pause = std::get_if<Pause>(&message)) {
                loop.set_paused(pause->id, pause->paused);
            } else if (auto* change = std::get_if<AdapterChange>(&message)) {
                loop.set_adapter(change->id, std::move(change->adapter));
            } else if (std::holds_alternative<Stop>(message)) {
                loop.cancel_all();
                stopping = true;
            }
        }
        return stopping;
    }

    const int32_t vocabulary_, max_context_;
    const EngineFacts facts_;
    StepTap steps_;
    Mailbox mailbox_;
    std::thread thread_;
};

static Status check_options(const EngineOptions& options) {
    if (options.threads < 0) return error("threads is {}; it must be 0 (every usable CPU) or more", options.threads);
    if (options.max_batch < 1) return error("max_batch is {}; it must be at least 1", options.max_batch);
    if (options.token_budget < 0)
        return error("token_budget is {}; it must be 0 (what suits the policy) or more", options.token_budget);
    if (options.token_gap.milliseconds < 0 || options.token_gap.factor_percent < 0) {
        return error("token_gap is {} ms, {} %; neither may be negative", options.token_gap.milliseconds,
                     options.token_gap.factor_percent);
    }
    if (!options.spill.folder.empty() && !options.prefix_cache)
        return error("pages are kept on disk for the prefix cache, which is switched off");
    if (options.max_context < 0)
        return error("max_context is {}; it must be 0 (no limit) or more", options.max_context);
    return ok();
}

size_t default_cache_bytes(size_t available, size_t mapped) {
    if (available == 0) return kUnknownMemory;
    // A model that does not fit is read from disk all the time anyway: an eighth then.
    return std::max(available / 4, available - std::min(available, mapped)) / 2;
}

// How many cache pages the memory gives: what was asked for, or half of what is free, but no more than a full batch of
// the longest sequences can use.
static Result<int32_t> choose_pages(const model::Model& model, const EngineOptions& options) {
    const size_t page_bytes = model.cache_spec().page_bytes;
    const int32_t positions = model.spec().max_positions;
    const int32_t longest = options.max_context > 0 ? std::min(options.max_context, positions) : positions;
    const int64_t usable = int64_t{options.max_batch} * pages_for(longest);
    const size_t physical = physical_memory_bytes();
    if (options.kv_bytes > 0 && physical > 0 && options.kv_bytes > physical) {
        return error("cache memory of {} was asked for, but the machine has {}",
                     format_bytes(static_cast<double>(options.kv_bytes)), format_bytes(static_cast<double>(physical)));
    }
    const size_t bytes =
        options.kv_bytes > 0 ? options.kv_bytes : default_cache_bytes(available_memory_bytes(), options.mapped_bytes);
    int64_t pages = static_cast<int64_t>(bytes / page_bytes);
    if (pages < 1) {
        return error("cache memory of {} holds no page; a page of {} tokens takes {}",
                     format_bytes(static_cast<double>(bytes)), kPageTokens,
                     format_bytes(static_cast<double>(page_bytes)));
    }
    if (options.kv_bytes == 0) pages = std::min(pages, usable);
    return static_cast<int32_t>(std::min<int64_t>(pages, std::numeric_limits<int32_t>::max() / kPageTokens));
}

Policy policy_of(PrefillPolicy prefill) {
    switch (prefill) {
        case PrefillPolicy::chunked:
            return plan_chunked;
        case PrefillPolicy::layered:
            return plan_layered;
        default:
            return plan_auto;
    }
}

int32_t default_token_budget(PrefillPolicy prefill) {
    return prefill == PrefillPolicy::automatic ? 8192 : 512;
}

static int32_t resting_rows_of(const model::Model& model, size_t bytes) {
    const size_t rows = bytes / (static_cast<size_t>(model.spec().hidden) * sizeof(float));
    return static_cast<int32_t>(std::clamp<size_t>(rows, 1, std::numeric_limits<int32_t>::max()));
}

Result<std::unique_ptr<Engine>> Engine::create(const model::Model& model, const math::KernelTable& kernels,
                                               const EngineOptions& options) {
    if (const Status status = check_options(options); !status) return status.error();
    const auto page_count = choose_pages(model, options);
    if (!page_count) return page_count.error();
    auto pages = PagePool::create(model.cache_spec().page_bytes, *page_count);
    if (!pages) return pages.error();
    int32_t max_context = std::min(model.spec().max_positions, *page_count * kPageTokens);
    if (options.max_context > 0) max_context = std::min(max_context, options.max_context);
    LOG_INFO("cache: {} pages of {} tokens, {}; up to {} tokens a request", *page_count, kPageTokens,
             format_bytes(static_cast<double>(*page_count) * static_cast<double>(pages->page_bytes())), max_context);

    std::unique_ptr<SpillStore> spill;
    if (!options.spill.folder.empty()) {
        auto opened = SpillStore::open(options.spill, pages->page_bytes());
        if (!opened) return opened.error().within(kSpillContext);
        spill = std::move(*opened);
    }
    LoopOptions loop{.limits = {.max_batch = options.max_batch,
                                .token_budget = options.token_budget > 0 ? options.token_budget
                                                                         : default_token_budget(options.prefill),
                                .resting_rows = resting_rows_of(model, options.prefill_bytes),
                                .token_gap = options.token_gap,
                                .prefix_cache = options.prefix_cache},
                     .policy = policy_of(options.prefill),
                     .threads = options.threads > 0 ? options.threads : static_cast<int>(usable_cpus().size()),
                     .int4_class = options.int4_class,
                     .turns = options.turns};
    const EngineFacts facts{.layers = model.spec().layers,
                            .threads = loop.threads,
                            .max_streams = options.max_batch,
                            .pages = *page_count,
                            .page_tokens = kPageTokens,
                            .page_bytes = pages->page_bytes(),
                            .prefill = options.prefill,
                            .token_gap = options.token_gap};
    return std::unique_ptr<Engine>(new Engine(std::make_unique<Worker>(
        model, kernels, std::move(*pages), std::move(loop), std::move(spill), max_context, facts)));
}

Engine::Engine(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}

Engine::~Engine() = default;

Status Engine::check(const Request& request) const {
    return check_request(request, worker_->vocabulary(), worker_->max_context());
}

Result<RequestId> Engine::submit(Request request, EventSink sink) {
    CHECK(sink != nullptr, "a request without a sink");
    if (const Status status = check(request); !status) return status.error();
    if (!request.sampling.seed) request.sampling.seed = entropy64();
    return worker_->mailbox().submit(std::move(request), std::move(sink));
}

void Engine::cancel(RequestId id) {
    worker_->mailbox().post(Cancellation{id});
}

void Engine::set_paused(RequestId id, bool paused) {
    worker_->mailbox().post(Pause{id, paused});
}

void Engine::set_adapter(RequestId id, std::shared_ptr<const model::Adapter> adapter) {
    worker_->mailbox().post(AdapterChange{id, std::move(adapter)});
}

EngineMetrics Engine::metrics() const {
    return worker_->mailbox().metrics();
}

const EngineFacts& Engine::facts() const {
    return worker_->facts();
}

StepTap& Engine::steps() {
    return worker_->steps();
}

int32_t Engine::max_context() const {
    return worker_->max_context();
}

}  // namespace hone::engine
