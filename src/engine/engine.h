// The serving engine: continuous batching over one model on one thread of its own, which owns all engine state. Other
// threads talk to it through its functions only; none of them waits for a step. Contract:
// src/engine/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/strong_type.h"
#include "base/turns.h"
#include "engine/decode/sampling_params.h"
#include "engine/decode/token_constraint.h"
#include "engine/decode/token_record.h"
#include "engine/schedule/policy.h"
#include "engine/schedule/step_costs.h"
#include "engine/step_tap.h"
#include "model/adapter.h"

namespace hone::engine {

struct RequestIdTag;
using RequestId = Strong<uint64_t, RequestIdTag>;

struct Request {
    std::vector<int32_t> prompt;  // at least one token, ids inside the vocabulary
    SamplingParams sampling;
    int32_t priority = 0;      // smaller runs earlier
    uint32_t tenant = 0;       // shares are fair between tenants (API keys)
    double max_wait = 0;       // seconds within which a step must begin it, or it ends (expired); 0: no limit
    std::string cache_salt{};  // pages of the prefix cache are shared only between requests of equal salts
    std::shared_ptr<const TokenConstraint> constraint{};  // null: any text
    // The version of the weights that the request begins with, and ends with unless set_adapter says otherwise; null: the
    // model's own weights. Nothing that one version computed is reused by another.
    std::shared_ptr<const model::Adapter> adapter{};
};

enum class FinishReason { stop, length, cancelled, error, expired };

// What the engine tells about a request; events of one request come in order, the last one has `finish`.
struct RequestEvent {
    RequestId request;
    // With the first event, if asked for: log-probability of prompt[i+1] given the tokens before it.
    std::vector<TokenRecord> prompt_logprobs;
    std::vector<TokenRecord> tokens;  // new since the last event
    // The version that computed these log-probabilities and tokens, all of them; null: the model's own weights.
    std::shared_ptr<const model::Adapter> adapter;
    int32_t cached_tokens = 0;  // of the prompt, found in the prefix cache (set in the first event)
    double scheduled_at = 0;    // monotonic seconds of the first step that had rows of it; 0: none had
    uint64_t seed = 0;          // given or drawn
    std::optional<FinishReason> finish;
    std::optional<int32_t> stop_token;  // the stop id that ended it, if one did; it is the last token of `tokens`
    std::string message;                // for FinishReason::error and expired
};

// Called on the engine thread; must not block (post to another thread).
using EventSink = std::function<void(RequestEvent)>;

// How prompts advance beside decoding sequences: schedule/policy.h.
enum class PrefillPolicy { automatic, chunked, layered };
inline constexpr std::array kPrefillPolicies{PrefillPolicy::automatic, PrefillPolicy::chunked, PrefillPolicy::layered};
Policy policy_of(PrefillPolicy prefill);
constexpr std::string_view name_of(PrefillPolicy prefill) {
    constexpr std::string_view kNames[] = {"auto", "chunked", "layered"};
    return kNames[static_cast<size_t>(prefill)];
}
// As the policies were published: vLLM's default of old, the cohorts of layered prefill; the automatic policy has layers to
// give as well.
int32_t default_token_budget(PrefillPolicy prefill);

// Where evicted pages of the prefix cache are kept on disk.
struct SpillOptions {
    std::string folder{};    // made if need be; empty: nowhere
    size_t bytes = 0;        // most that its file may take
    std::string identity{};  // of model, weights and arithmetic: what another one computed is never used
};

struct EngineOptions {
    int threads = 0;          // 0: every usable CPU
    size_t kv_bytes = 0;      // memory for cache pages; 0: a share of what is free
    size_t mapped_bytes = 0;  // of files that should stay in memory, though the system calls them free
    int32_t max_batch = 64;   // sequences decoding at once
    int32_t token_budget =
        0;  // prompt tokens that a step takes up at most, or has the work of; 0: what suits the policy
    int32_t max_context = 0;  // tokens of one sequence; 0: what the model and the cache allow
    PrefillPolicy prefill = PrefillPolicy::automatic;
    TokenGap token_gap;                        // of the automatic policy
    size_t prefill_bytes = size_t{256} << 20;  // most memory for the hidden states of prompts between two steps
    bool prefix_cache = true;
    SpillOptions spill;
    math::NumericClass int4_class = math::NumericClass::i8g32;
    Turns* turns = nullptr;  // of a guest that computes on the engine's threads in the time that requests leave
};

// Bytes that cache pages take unless told: half of what is available beside files that should stay in memory (which the
// system counts as available). 0 available: not known.
size_t default_cache_bytes(size_t available, size_t mapped);

// Of the pages on disk, each with its bytes; failures are reads and writes that failed, and pages found damaged.
struct SpillMetrics {
    uint64_t pages = 0;  // there now
    uint64_t written_pages = 0, written_bytes = 0;
    uint64_t read_pages = 0, read_bytes = 0;
    uint64_t skipped_pages = 0;  // evicted without being written: the disk did not keep pace, or writing has stopped
    uint64_t failures = 0;
};

// How many tokens steps had: steps[i] of them more than kBounds[i-1] and at most kBounds[i], the last ones more than all
// bounds. Tokens count in the step in which they cross the last layer.
struct StepSizes {
    static constexpr std::array<int32_t, 13> kBounds{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
    std::array<uint64_t, kBounds.size() + 1> steps{};
    uint64_t tokens = 0;  // together
};

// How prompts get on beside decoding sequences.
struct PrefillMetrics {
    int64_t backlog_tokens = 0;         // known tokens that are not computed, but for those being decoded
    int64_t resting_rows = 0;           // of them, between layers
    uint64_t segments = 0;              // pieces of prompts that steps took on
    uint64_t rows = 0, row_layers = 0;  // of those pieces: their tokens, and tokens times layers
    uint64_t stops = 0;                 // pieces that ended before their plan said
    StepCosts costs;                    // the cost model's coefficients
    double cost_error = 0;              // mean of |estimate / time - 1| over the last steps
    double budget_seconds = 0;          // of the last step that had one
};

// A consistent snapshot, taken without waiting for the engine.
struct EngineMetrics {
    uint64_t requests_submitted = 0, requests_finished = 0, requests_cancelled = 0;  // cancelled: expired ones too
    uint64_t prompt_tokens = 0;  // of requests that a step has begun
    uint64_t cached_tokens = 0, generated_tokens = 0;
    uint64_t steps = 0, preemptions = 0;
    int32_t running = 0, waiting = 0;
    int32_t paused = 0;                                           // of both
    int32_t pages_total = 0, pages_in_use = 0, pages_cached = 0;  // in use by requests; kept for prefix hits only
    uint64_t queried_tokens = 0;                                  // prompt tokens looked for in the prefix cache
    uint64_t evicted_pages = 0;
    SpillMetrics spill;
    double busy_seconds = 0;   // in steps
    double guest_seconds = 0;  // in turns of the guest
    StepSizes step_sizes;
    PrefillMetrics prefill;
};

// What an engine is, from its making to its end.
struct EngineFacts {
    int32_t layers = 0, threads = 0, max_streams = 0;
    int32_t pages = 0, page_tokens = 0;
    size_t page_bytes = 0;
    PrefillPolicy prefill = PrefillPolicy::automatic;
    TokenGap token_gap;
};

// What messages about pages on disk begin with.
constexpr std::string_view kSpillContext = "cache on disk";

class Engine {
  public:
    // `model` and `kernels` outlive the engine. Allocates the cache; errors say what did not fit.
    static Result<std::unique_ptr<Engine>> create(const model::Model& model, const math::KernelTable& kernels,
                                                  const EngineOptions& options);
    ~Engine();  // takes no more requests, cancels everything, joins the thread

    // What is wrong with the request itself: token ids, lengths against max_context(), parameters' ranges. Any thread.
    Status check(const Request& request) const;
    // Queues a request; one that passes check() is refused only for now: too much is queued, or the engine ends. Any
    // thread.
    Result<RequestId> submit(Request request, EventSink sink);
    // Frees the request's pages within a step and sends its last event (FinishReason::cancelled); unknown ids are
    // ignored. Any thread.
    void cancel(RequestId id);
    // A paused request gets no tokens but those of a step under way. It keeps its pages while nobody else needs them, and
    // goes on, with the same bits, when it is no longer paused. Unknown ids are ignored. Any thread.
    void set_paused(RequestId id, bool paused);
    // From the next step on the request's tokens are those of another version (null: of the model's own weights), given
    // all tokens before them: these are computed again, since nothing is used any more that the version before computed.
    // Tokens that were told stay as they are. Prompt log-probabilities that were not told yet are of the new version too.
    // A request that begins anew for one version gets at least a token of it before the next one, so that it gets on however
    // often it is told. An adapter of equal content changes nothing; unknown ids are ignored. Any thread.
    void set_adapter(RequestId id, std::shared_ptr<const model::Adapter> adapter);

    EngineMetrics metrics() const;
    const EngineFacts& facts() const;
    int32_t max_context() const;  // prompt and generated tokens of one request
    // What its steps do, for one who looks on.
    StepTap& steps();

  private:
    class Worker;
    explicit Engine(std::unique_ptr<Worker> worker);
    std::unique_ptr<Worker> worker_;
};

}  // namespace hone::engine
