// The typed queue between any thread and the engine thread, and the snapshot that comes back. Any thread posts and
// reads; the engine thread collects and publishes. The lock is held for moves of a few words only, never during a step
// or a sink.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <variant>
#include <vector>

#include "engine/engine.h"

namespace hone::engine {

struct Submission {
    RequestId id;
    Request request;
    EventSink sink;
};
struct Cancellation {
    RequestId id;
};
struct Pause {
    RequestId id;
    bool paused;
};
struct AdapterChange {
    RequestId id;
    std::shared_ptr<const model::Adapter> adapter;
};
struct GuestWaits {};  // there is something to do, though not of requests
struct Stop {};        // cancel all, then leave
using Message = std::variant<Submission, Cancellation, Pause, AdapterChange, GuestWaits, Stop>;

class Mailbox {
  public:
    // Requests and prompt tokens that may be queued or running at once; more are refused.
    static constexpr uint64_t kMaxRequests = 16384;
    static constexpr int64_t kMaxTokens = int64_t{1} << 26;

    // Gives the request its id: ascending in the order of the queue. Errors: closed, too much queued.
    Result<RequestId> submit(Request request, EventSink sink);
    void post(Message message);
    // Refuses submissions from here on.
    void close();
    EngineMetrics metrics() const;

    // Whether there is something to collect.
    bool has_messages() const;
    // Engine thread: all messages in order; waits for one if `wait`.
    std::vector<Message> collect(bool wait);
    // Engine thread: how things stand, and the prompt tokens of the requests it holds.
    void publish(const EngineMetrics& metrics, int64_t held_tokens);

  private:
    uint64_t live_requests() const { return submitted_ - published_.requests_finished - published_.requests_cancelled; }

    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::vector<Message> messages_;
    bool closed_ = false;
    uint64_t submitted_ = 0;
    int64_t queued_tokens_ = 0, held_tokens_ = 0;
    EngineMetrics published_;
};

}  // namespace hone::engine
