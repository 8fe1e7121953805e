// The serving engine: continuous batching over one model on one thread of its own, which owns all engine state. Other
// threads talk to it through submit, cancel and metrics only; none of them waits for a step. Contract:
// src/engine/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/strong_type.h"
#include "engine/decode/sampling_params.h"
#include "engine/decode/token_record.h"
#include "model/model.h"

namespace hone::engine {

struct RequestIdTag;
using RequestId = Strong<uint64_t, RequestIdTag>;

struct Request {
    std::vector<int32_t> prompt;  // at least one token, ids inside the vocabulary
    SamplingParams sampling;
    int32_t priority = 0;  // smaller runs earlier
    uint32_t tenant = 0;   // shares are fair between tenants (API keys)
    double max_wait = 0;   // seconds within which a step must begin it, or it ends (expired); 0: no limit
};

enum class FinishReason { stop, length, cancelled, error, expired };

// What the engine tells about a request; events of one request come in order, the last one has `finish`.
struct RequestEvent {
    RequestId request;
    // With the first event, if asked for: log-probability of prompt[i+1] given the tokens before it.
    std::vector<TokenRecord> prompt_logprobs;
    std::vector<TokenRecord> tokens;  // new since the last event
    int32_t cached_tokens = 0;        // of the prompt, found in the prefix cache (set in the first event)
    double scheduled_at = 0;          // monotonic seconds of the first step that had rows of it; 0: none had
    uint64_t seed = 0;                // given or drawn
    std::optional<FinishReason> finish;
    std::optional<int32_t> stop_token;  // the stop id that ended it, if one did; it is the last token of `tokens`
    std::string message;                // for FinishReason::error and expired
};

// Called on the engine thread; must not block (post to another thread).
using EventSink = std::function<void(RequestEvent)>;

enum class PrefillPolicy { chunked, layered };

struct EngineOptions {
    int threads = 0;             // 0: every usable CPU
    size_t kv_bytes = 0;         // memory for cache pages; 0: a share of what is free
    size_t mapped_bytes = 0;     // of files that should stay in memory, though the system calls them free
    int32_t max_batch = 64;      // sequences decoding at once
    int32_t token_budget = 512;  // prompt tokens (times the share of layers) a step
    int32_t max_context = 0;     // tokens of one sequence; 0: what the model and the cache allow
    PrefillPolicy prefill = PrefillPolicy::chunked;
    bool prefix_cache = true;
    math::NumericClass int4_class = math::NumericClass::i8g32;
};

// Bytes that cache pages take unless told: half of what is available beside files that should stay in memory (which the
// system counts as available). 0 available: not known.
size_t default_cache_bytes(size_t available, size_t mapped);

// How many tokens steps had: steps[i] of them more than kBounds[i-1] and at most kBounds[i], the last ones more than all
// bounds. Tokens count in the step in which they cross the last layer.
struct StepSizes {
    static constexpr std::array<int32_t, 13> kBounds{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
    std::array<uint64_t, kBounds.size() + 1> steps{};
    uint64_t tokens = 0;  // together
};

// A consistent snapshot, taken without waiting for the engine.
struct EngineMetrics {
    uint64_t requests_submitted = 0, requests_finished = 0, requests_cancelled = 0;  // cancelled: expired ones too
    uint64_t prompt_tokens = 0;  // of requests that a step has begun
    uint64_t cached_tokens = 0, generated_tokens = 0;
    uint64_t steps = 0, preemptions = 0;
    int32_t running = 0, waiting = 0;
    int32_t pages_total = 0, pages_in_use = 0, pages_cached = 0;  // in use by requests; kept for prefix hits only
    double busy_seconds = 0;                                      // in steps
    StepSizes step_sizes;
};

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

    EngineMetrics metrics() const;
    int32_t max_context() const;  // prompt and generated tokens of one request

  private:
    class Worker;
    explicit Engine(std::unique_ptr<Worker> worker);
    std::unique_ptr<Worker> worker_;
};

}  // namespace hone::engine
