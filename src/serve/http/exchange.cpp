#include "serve/http/exchange.h"

#include <new>

namespace hone::serve {

constexpr size_t kPauseShare = 16;  // of the queue's limit: 64 KiB of 1 MiB

void Exchange::respond(Response response) {
    std::lock_guard lock(mutex_);
    if (begun_ || broken_) return;
    begun_ = complete_ = true;
    bytes_ = std::move(response.body);
    response.body.clear();
    head_ = std::move(response);
    callback_ = nullptr;
    wake_locked();
}

void Exchange::begin_stream(Response head) {
    std::lock_guard lock(mutex_);
    if (begun_ || broken_) return;
    begun_ = streamed_ = true;
    bytes_ = std::move(head.body);
    head.body.clear();
    head_ = std::move(head);
    wake_locked();
}

void Exchange::write(std::string_view bytes, Counted counted) {
    std::function<void(Abandoned)> callback;
    {
        std::lock_guard lock(mutex_);
        if (!streamed_ || complete_ || broken_ || bytes.empty()) return;
        const bool fits = bytes_.empty() || counted == Counted::no || waiting_ + bytes.size() <= queue_limit_;
        if (fits) {
            bytes_ += bytes;
            if (counted == Counted::yes) waiting_ += bytes.size();
            backed_up_ = waiting_ > queue_limit_ / kPauseShare;
        } else {
            broken_ = true;
            bytes_ = std::string();
            abandoned_ = Abandoned::client_too_slow;
            callback = std::exchange(callback_, nullptr);
        }
        wake_locked();
    }
    if (callback) callback(Abandoned::client_too_slow);
}

void Exchange::end() {
    std::lock_guard lock(mutex_);
    if (!streamed_ || complete_) return;
    complete_ = true;
    callback_ = nullptr;
    drained_ = nullptr;
    wake_locked();
}

bool Exchange::is_backed_up() {
    std::lock_guard lock(mutex_);
    return backed_up_;
}

void Exchange::on_drained(std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    if (!complete_) drained_ = std::move(callback);
}

void Exchange::on_abandoned(std::function<void(Abandoned)> callback) {
    std::optional<Abandoned> why;
    {
        std::lock_guard lock(mutex_);
        why = abandoned_;
        if (!why && !complete_) callback_ = std::move(callback);
    }
    if (why) callback(*why);
}

std::optional<Exchange::Output> Exchange::take() {
    std::unique_lock lock(mutex_);
    if (complete_taken_ || (!head_ && bytes_.empty() && !complete_ && !broken_)) return std::nullopt;
    Output output{.head = std::exchange(head_, std::nullopt),
                  .streamed = streamed_,
                  .bytes = std::exchange(bytes_, {}),
                  .complete = complete_,
                  .broken = broken_};
    complete_taken_ = complete_;
    waiting_ = 0;
    if (std::exchange(backed_up_, false) && drained_) {
        const auto callback = drained_;
        lock.unlock();
        callback();
    }
    return output;
}

void Exchange::abandon(Abandoned why) {
    std::function<void(Abandoned)> callback;
    {
        std::lock_guard lock(mutex_);
        if (complete_ || abandoned_) return;
        abandoned_ = why;
        callback = std::exchange(callback_, nullptr);
    }
    if (callback) callback(why);
}

void Exchange::detach() {
    std::lock_guard lock(mutex_);
    wake_ = nullptr;
}

// Where there is no memory to wake the connection it looks again by itself (HttpLimits::keep_alive_seconds).
void Exchange::wake_locked() {
    try {
        if (wake_) wake_();
    } catch (const std::bad_alloc&) {
    }
}

void Exchange::dropped() noexcept {
    std::function<void(Abandoned)> callback;
    std::lock_guard lock(mutex_);
    if (complete_ || broken_) return;
    callback.swap(callback_);
    try {
        if (begun_) {
            broken_ = true;  // a stream without an end: the client must see that it was cut
        } else {
            bytes_ = R"({"error":{"message":"the request failed inside the server; its log says why",)"
                     R"("type":"server_error","param":null,"code":null}})";
            head_ = Response{.status = 500, .error = "server_error"};
            begun_ = true;
        }
    } catch (const std::bad_alloc&) {
        broken_ = true;
    }
    complete_ = true;
    wake_locked();
}

std::shared_ptr<Exchange> Exchange::handle_of(std::shared_ptr<Exchange> exchange) {
    Exchange* bare = exchange.get();
    return {bare, [exchange = std::move(exchange)](Exchange* e) { e->dropped(); }};
}

}  // namespace hone::serve
