#include "serve/http/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "serve/http/answer_text.h"
#include "serve/http/sse.h"

// GCC 12 pairs asio's coroutine frame allocation with the wrong deallocation when it inlines them.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace hone::serve {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using namespace net::experimental::awaitable_operators;

// GCC 12 destroys temporaries of a co_await expression twice in some cases: everything that a coroutine is called with
// here is a named object, passed by reference.

namespace {

constexpr auto kAwait = net::as_tuple(net::use_awaitable);
constexpr size_t kReadBytes = 16 << 10;
constexpr double kMakesWay = -1;         // the idle time of a connection that is to be closed
constexpr size_t kFirstReadBytes = 512;  // what a connection holds while it is idle
constexpr size_t kWriteBytes = 64 << 10;
// What a client may send ahead while its request is served.
constexpr size_t kPipelineBytes = 64 << 10;
// Reading on after a refusal, so that the client sees the answer before its connection resets.
constexpr double kLingerSeconds = 3;
constexpr size_t kLingerBytes = size_t{64} << 20;

std::chrono::nanoseconds seconds(double value) {
    return std::chrono::nanoseconds(static_cast<int64_t>(value * 1e9));
}

template <class Fields>
Request head_of(const Fields& fields) {
    Request request;
    request.method = std::string(fields.method_string());
    for (const auto& field : fields) request.headers.emplace_back(field.name_string(), field.value());
    return request;
}

}  // namespace

Connection::Connection(Socket socket, ConnectionContext& context)
    : stream_(std::move(socket)),
      buffer_(context.limits.header_bytes + kPipelineBytes + kReadBytes),
      output_ready_(stream_.get_executor()),
      context_(context),
      idle_since_(monotonic_seconds()) {
    std::lock_guard lock(context_.mutex);
    context_.connections.insert(this);
}

Connection::~Connection() {
    release_body();
    std::lock_guard lock(context_.mutex);
    context_.connections.erase(this);
    context_.changed.notify_all();
}

void Connection::start() {
    net::co_spawn(
        stream_.get_executor(), [self = shared_from_this()]() { return self->run(); },
        [self = shared_from_this()](std::exception_ptr problem) {
            if (!problem) return;
            try {
                std::rethrow_exception(problem);
            } catch (const std::exception& e) {
                LOG_ERROR("http: a connection failed: {}", e.what());
            }
        });
}

void Connection::close() {
    net::post(stream_.get_executor(), [self = shared_from_this()] {
        self->stream_.close();
        self->output_ready_.cancel();
    });
}

bool Connection::close_idle() {
    double since = idle_since_;
    if (since <= 0 || !idle_since_.compare_exchange_strong(since, kMakesWay)) return false;
    net::post(stream_.get_executor(), [self = shared_from_this()] {
        if (self->idle_since_ == kMakesWay) self->stream_.close();
    });
    return true;
}

net::awaitable<void> Connection::run() {
    for (;;) {
        const bool requested = co_await wait_for_request();
        if (!requested) break;
        const bool keep_alive = co_await serve_one();
        transfer_->ended = monotonic_seconds();
        transfer_ = nullptr;
        if (!keep_alive) break;
    }
    beast::error_code ignored;
    stream_.socket().shutdown(Socket::shutdown_both, ignored);
}

net::awaitable<bool> Connection::wait_for_request() {
    if (buffer_.size() > 0) co_return true;
    buffer_.shrink_to_fit();
    idle_since_ = monotonic_seconds();
    stream_.expires_after(seconds(context_.limits.idle_seconds));
    auto [failure, count] = co_await stream_.async_read_some(buffer_.prepare(kFirstReadBytes), kAwait);
    idle_since_ = 0;
    if (failure) co_return false;
    buffer_.commit(count);
    co_return true;
}

// Reads, serves and answers one request; whether another may follow.
net::awaitable<bool> Connection::serve_one() {
    RequestParser parser;
    parser.header_limit(static_cast<uint32_t>(context_.limits.header_bytes));
    parser.body_limit(boost::none);  // counted here, to answer rather than to fail
    stream_.expires_after(seconds(context_.limits.header_seconds));
    auto [failure, count] = co_await http::async_read_header(stream_, buffer_, parser, kAwait);
    Request request;
    if (!failure) request = head_of(parser.get());
    begin_transfer(request);
    if (failure) {
        const bool readable = failure.category() == make_error_code(http::error::bad_method).category();
        if (!readable || failure == http::error::end_of_stream || failure == http::error::partial_message)
            co_return false;
        const int status = failure == http::error::header_limit ? 431 : 400;
        const Response malformed = context_.handlers.error_response(status, "bad HTTP request: " + failure.message());
        co_await refuse(malformed, request);
        co_return false;
    }

    const bool head_only = request.method == "HEAD";
    const std::string_view target = parser.get().target();
    const bool has_target = target == "*" || split_target(target, request.path, request.query);
    transfer_->path = request.path;
    const std::optional<FramingFault> fault = framing_fault(parser, context_.limits.body_bytes);
    std::optional<Response> refusal;
    if (fault) {
        refusal = context_.handlers.error_response(fault->status, fault->message);
    } else if (!has_target) {
        refusal = context_.handlers.error_response(400, fmt::format("bad request target '{}'", quotable(target)));
    } else {
        refusal = context_.handlers.screen(request);
    }
    const bool has_body = !parser.is_done();
    if (fault || (refusal && has_body)) {
        co_await refuse(*refusal, request);
        co_return false;
    }
    if (has_body) {
        const Verdict verdict = co_await read_body(parser, request.body);
        if (verdict.status != 0) release_body();
        if (verdict.status < 0) co_return false;
        if (verdict.status > 0) {
            refusal = context_.handlers.error_response(verdict.status, verdict.message);
            co_await refuse(*refusal, request);
            co_return false;
        }
        transfer_->bytes_in = request.body.size();
    }
    const AnswerStyle style{.path = request.path,
                            .extra_headers = extra_headers(request),
                            .head_only = head_only,
                            .keep_alive = parser.keep_alive() && !context_.draining,
                            .chunked = parser.get().version() >= 11};
    bool another = false;
    if (refusal) {
        Exchange exchange(0, nullptr);
        exchange.respond(std::move(*refusal));
        another = co_await write_answer(exchange, style);
    } else {
        another = co_await answer(request, style);
    }
    release_body();
    co_return another;
}

net::awaitable<Connection::Verdict> Connection::read_body(RequestParser& parser, std::string& body) {
    const HttpLimits& limits = context_.limits;
    stream_.expires_after(seconds(limits.body_seconds));
    if (parser.get().find(http::field::expect) != parser.get().end() && parser.get().version() >= 11) {
        auto [failure, count] = co_await net::async_write(stream_, net::buffer(kContinueText), kAwait);
        if (failure) co_return Verdict{-1};
    }
    const auto piece = std::make_unique<char[]>(kReadBytes);
    while (!parser.is_done()) {
        parser.get().body().data = piece.get();
        parser.get().body().size = kReadBytes;
        auto [failure, count] = co_await http::async_read_some(stream_, buffer_, parser, kAwait);
        if (failure && failure != http::error::need_buffer) {
            const bool malformed = failure.category() == make_error_code(http::error::bad_chunk).category() &&
                                   failure != http::error::partial_message;
            if (malformed) co_return Verdict{400, "bad HTTP body: " + failure.message()};
            co_return Verdict{-1};
        }
        const size_t got = kReadBytes - parser.get().body().size;
        if (body.size() + got > limits.body_bytes)
            co_return Verdict{
                413, fmt::format("the request body is over this server's limit of {} bytes", limits.body_bytes)};
        body_reserved_ += got;
        if (context_.body_bytes->fetch_add(got) + got > limits.all_bodies_bytes)
            co_return Verdict{429, "the server is reading too many large requests; try again later"};
        body.append(piece.get(), got);
    }
    co_return Verdict{};
}

void Connection::begin_transfer(Request& request) {
    transfer_ = context_.handlers.begin_transfer ? context_.handlers.begin_transfer() : std::make_shared<Transfer>();
    transfer_->id = request_id_of(request);
    transfer_->method = request.method;
    transfer_->arrived = monotonic_seconds();
    request.transfer = transfer_;
}

void Connection::note_head(const Response& head, std::string_view path) {
    transfer_->status = head.status;
    transfer_->error = head.error;
    context_.handlers.observe(path, head.status);
}

void Connection::release_body() {
    *context_.body_bytes -= std::exchange(body_reserved_, 0);
}

// From here on the bytes are counted as long as the handler keeps the request's reservation.
void Connection::hand_over_body(Request& request) {
    const size_t count = std::exchange(body_reserved_, 0);
    request.reservation =
        std::shared_ptr<void>(nullptr, [bytes = context_.body_bytes, count](void*) { *bytes -= count; });
}

// Serves a request that was read: the handler answers while the client is watched.
net::awaitable<bool> Connection::answer(Request& request, const AnswerStyle& style) {
    auto exchange = std::make_shared<Exchange>(context_.limits.stream_queue_bytes, [this] {
        net::post(stream_.get_executor(), [self = shared_from_this()] { self->output_ready_.cancel(); });
    });
    // The end of the scope is the end of the request, however it comes.
    struct InProgress {
        ConnectionContext& context;
        std::shared_ptr<Exchange> exchange;
        InProgress(ConnectionContext& c, std::shared_ptr<Exchange> e) : context(c), exchange(std::move(e)) {
            std::lock_guard lock(context.mutex);
            context.exchanges.insert(exchange);
        }
        ~InProgress() {
            exchange->detach();
            exchange->abandon(Abandoned::client_gone);
            std::lock_guard lock(context.mutex);
            context.exchanges.erase(exchange);
            context.changed.notify_all();
        }
    } in_progress(context_, exchange);

    hand_over_body(request);
    context_.handlers.serve(std::move(request), Exchange::handle_of(exchange));
    Awaitable<bool> writing = write_answer(*exchange, style);
    Awaitable<void> watching = watch_client(*exchange);
    const auto first = co_await (std::move(writing) || std::move(watching));
    const bool* another = std::get_if<bool>(&first);
    if (!another || client_gone_) co_return false;
    co_return *another;
}

// Sends what the exchange gives until it is complete; whether the connection can be kept.
net::awaitable<bool> Connection::write_answer(Exchange& exchange, const AnswerStyle& style) {
    bool streaming = false, keep_alive = style.keep_alive;
    for (;;) {
        auto output = exchange.take();
        if (!output) {
            output_ready_.expires_after(seconds(context_.limits.keep_alive_seconds));
            auto [woken] = co_await output_ready_.async_wait(kAwait);
            if (!stream_.socket().is_open()) {
                exchange.abandon(Abandoned::client_gone);
                co_return false;
            }
            if (woken || !streaming || style.head_only) continue;
            const Exchange::Output comment{.streamed = true, .bytes = std::string(kSseKeepAlive)};
            const bool sent = co_await send_output(comment, style, streaming, keep_alive);
            if (!sent) co_return false;
            continue;
        }
        if (output->broken) co_return false;
        if (output->head) {
            streaming = output->streamed;
            keep_alive = keep_alive && !context_.draining && (style.chunked || !streaming);
            note_head(*output->head, style.path);
        }
        const bool sent = co_await send_output(*output, style, streaming, keep_alive);
        if (!sent) {
            exchange.abandon(Abandoned::client_gone);
            co_return false;
        }
        if (output->complete) co_return keep_alive;
    }
}

HeaderList Connection::extra_headers(const Request& request) const {
    HeaderList headers = context_.handlers.extra_headers ? context_.handlers.extra_headers(request) : HeaderList{};
    headers.emplace_back("X-Request-Id", request.transfer->id);
    return headers;
}

// Ends when the client closes or half-closes its connection. What it sends ahead is kept for the next request; beyond a
// limit its leaving could no longer be seen, and it is taken as gone.
net::awaitable<void> Connection::watch_client(Exchange& exchange) {
    for (;;) {
        if (buffer_.size() >= kPipelineBytes) {
            exchange.abandon(Abandoned::client_gone);
            co_return;
        }
        stream_.expires_never();  // send() sets the time of both directions while nothing is being read
        auto [failure, count] = co_await stream_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
        if (failure == net::error::operation_aborted) co_return;
        if (failure) {
            client_gone_ = true;
            exchange.abandon(Abandoned::client_gone);
            co_return;
        }
        buffer_.commit(count);
    }
}

// Answers a request whose body was not read, and closes: reads on for a while without keeping anything.
net::awaitable<void> Connection::refuse(const Response& response, const Request& request) {
    note_head(response, request.path);
    const AnswerStyle style{.path = request.path,
                            .extra_headers = extra_headers(request),
                            .head_only = request.method == "HEAD",
                            .keep_alive = false,
                            .chunked = false};
    const Exchange::Output output{.head = response, .bytes = response.body, .complete = true};
    const bool sent = co_await send_output(output, style, false, false);
    if (!sent) co_return;
    beast::error_code ignored;
    stream_.socket().shutdown(Socket::shutdown_send, ignored);
    stream_.expires_after(seconds(kLingerSeconds));
    buffer_.consume(buffer_.size());
    for (size_t discarded = 0; discarded < kLingerBytes;) {
        auto [failure, count] = co_await stream_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
        if (failure) co_return;
        discarded += count;
    }
}

// Sends one piece of an answer: its head where it begins, its body as the style asks for it. A large body is not copied.
net::awaitable<bool> Connection::send_output(const Exchange::Output& output, const AnswerStyle& style, bool streaming,
                                             bool keep_alive) {
    std::string before, after;
    if (output.head) {
        HeadStyle head{.keep_alive = keep_alive, .content_length = {}, .chunked = style.chunked};
        if (!streaming) head.content_length = output.bytes.size();
        Response answer = *output.head;
        answer.headers.insert(answer.headers.end(), style.extra_headers.begin(), style.extra_headers.end());
        before = head_text(answer, head);
    }
    std::string_view body = style.head_only ? std::string_view() : output.bytes;
    if (streaming && style.chunked && !style.head_only) {
        if (!body.empty()) before += chunk_head(body.size());
        if (!body.empty()) after = kChunkEnd;
        if (output.complete) after += kLastChunk;
    }
    if (body.size() <= kWriteBytes) {
        before += body;
        before += after;
        body = after = {};
    }
    const std::array<std::string_view, 3> pieces{before, body, after};
    for (const std::string_view piece : pieces) {
        const bool sent = co_await send(piece);
        if (!sent) co_return false;
    }
    co_return true;
}

net::awaitable<bool> Connection::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::string_view piece = bytes.substr(0, kWriteBytes);
        stream_.expires_after(seconds(context_.limits.write_seconds));
        auto [failure, count] = co_await net::async_write(stream_, net::buffer(piece), kAwait);
        transfer_->bytes_out += count;
        if (failure) co_return false;
        bytes.remove_prefix(piece.size());
    }
    co_return true;
}

}  // namespace hone::serve
