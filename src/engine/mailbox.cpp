#include "engine/mailbox.h"

#include <utility>

namespace hone::engine {

Result<RequestId> Mailbox::submit(Request request, EventSink sink) {
    std::unique_lock lock(mutex_);
    if (closed_) return error("the engine is shutting down and takes no new requests");
    const int64_t tokens = std::ssize(request.prompt);
    if (live_requests() >= kMaxRequests || queued_tokens_ + held_tokens_ + tokens > kMaxTokens) {
        return error("the queue is full: {} requests with {} prompt tokens wait or run; try again later",
                     live_requests(), queued_tokens_ + held_tokens_);
    }
    const RequestId id{++submitted_};
    queued_tokens_ += tokens;
    messages_.push_back(Submission{id, std::move(request), std::move(sink)});
    lock.unlock();
    arrived_.notify_one();
    return id;
}

void Mailbox::post(Message message) {
    {
        const std::lock_guard lock(mutex_);
        messages_.push_back(std::move(message));
    }
    arrived_.notify_one();
}

void Mailbox::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
}

EngineMetrics Mailbox::metrics() const {
    const std::lock_guard lock(mutex_);
    EngineMetrics metrics = published_;
    metrics.requests_submitted = submitted_;
    metrics.waiting = static_cast<int32_t>(live_requests()) - metrics.running;
    return metrics;
}

bool Mailbox::has_messages() const {
    const std::lock_guard lock(mutex_);
    return !messages_.empty();
}

std::vector<Message> Mailbox::collect(bool wait) {
    std::unique_lock lock(mutex_);
    if (wait) arrived_.wait(lock, [&] { return !messages_.empty(); });
    held_tokens_ += std::exchange(queued_tokens_, 0);
    return std::exchange(messages_, {});
}

void Mailbox::publish(const EngineMetrics& metrics, int64_t held_tokens) {
    const std::lock_guard lock(mutex_);
    published_ = metrics;
    held_tokens_ = held_tokens;
}

}  // namespace hone::engine
