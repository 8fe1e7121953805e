// One request's way back to its client. The handler's side (respond, write, end) may be called from any thread and
// never blocks; what it hands over is queued up to a limit, and a client that does not read is abandoned instead of
// filling memory. The connection's side (take, detach) belongs to the connection alone.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "serve/http/message.h"

namespace hone::serve {

enum class Abandoned {
    client_gone,      // closed or half-closed its connection, or the network failed
    client_too_slow,  // more than the limit was waiting for it
    server_stopping,  // the time for draining is over; a last message can still be sent
};

class Exchange {
  public:
    // `wake` tells the connection that there is something to take; it must not block.
    Exchange(size_t queue_limit, std::function<void()> wake) : queue_limit_(queue_limit), wake_(std::move(wake)) {}

    // The whole answer. Only the first of respond and begin_stream counts.
    void respond(Response response);
    // Status and headers of an answer whose body follows in pieces; `head.body` is its first piece.
    void begin_stream(Response head);
    // A piece of any size is taken when nothing waits. Counted::no: nor does it count later, since the client did not
    // choose its pace (an echoed prompt); its size is bounded by the caller.
    enum class Counted { no, yes };
    void write(std::string_view bytes, Counted counted = Counted::yes);
    void end();

    // Whether so much waits that a handler should bring no more until the connection has taken it. Then, and whenever
    // that has changed to no, `callback` runs on the connection's thread.
    bool is_backed_up();
    void on_drained(std::function<void()> callback);

    // `callback` runs once, on the thread that notices, as soon as nobody waits for the answer any more; at once if
    // that has happened already; never after the answer is complete. It must not throw.
    void on_abandoned(std::function<void(Abandoned)> callback);

    // What the connection has to send next. `head` comes once, before any bytes.
    struct Output {
        std::optional<Response> head = {};  // the body is in `bytes`
        bool streamed = false;
        std::string bytes = {};
        bool complete = false;  // nothing follows
        bool broken = false;    // it will not be completed: close the connection
    };
    // Nothing if there is nothing to send yet.
    std::optional<Output> take();
    void abandon(Abandoned why);
    // The connection is done; nothing is woken from here on.
    void detach();

    // The handle that a handler gets: if it goes away without a complete answer, the client gets an error instead of
    // silence.
    static std::shared_ptr<Exchange> handle_of(std::shared_ptr<Exchange> exchange);

  private:
    void wake_locked();
    void dropped() noexcept;

    const size_t queue_limit_;
    std::mutex mutex_;
    std::function<void()> wake_, drained_;
    std::function<void(Abandoned)> callback_;
    std::optional<Abandoned> abandoned_;
    std::optional<Response> head_;
    std::string bytes_;
    size_t waiting_ = 0;  // of bytes_, those that count
    bool begun_ = false, streamed_ = false, complete_ = false, complete_taken_ = false, broken_ = false;
    bool backed_up_ = false;
};

using ExchangePtr = std::shared_ptr<Exchange>;

}  // namespace hone::serve
