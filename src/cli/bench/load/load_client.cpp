#include "cli/bench/load/load_client.h"

#include <cmath>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/clock.h"
#include "cli/bench/load/sse_reader.h"

// GCC 12 pairs asio's coroutine frame allocation with the wrong deallocation when it inlines them.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace hone::cli {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using net::ip::tcp;

namespace {

constexpr auto kAwait = net::as_tuple(net::use_awaitable);
constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kMostAnswerBytes = size_t{256} << 20;  // of what is no stream

std::chrono::nanoseconds nanoseconds(double seconds) {
    return std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
}

// GCC 12 destroys temporaries of a co_await expression twice in some cases: everything that is awaited is called with
// named objects.
class Connection final : public Exchange, public std::enable_shared_from_this<Connection> {
  public:
    Connection(net::io_context& context, const tcp::resolver::results_type& endpoints, std::string request)
        : stream_(context), endpoints_(endpoints), request_(std::move(request)) {
        parser_.body_limit(boost::none);
        parser_.eager(true);
    }

    void start(double timeout_seconds) {
        stream_.expires_after(nanoseconds(timeout_seconds));
        net::co_spawn(
            stream_.get_executor(), [self = shared_from_this()] { return self->run(); },
            [self = shared_from_this()](std::exception_ptr problem) { self->fail(problem); });
    }

    void abandon() override {
        if (record_.is_done) return;
        record_.was_abandoned = true;
        end();
    }

  private:
    net::awaitable<void> run();
    // Whether there was no failure, which is noted as `what` and its reason.
    bool check(beast::error_code failure, std::string_view what);
    // Bytes that arrived at `now`; whether more are wanted.
    bool take(std::string_view bytes, double now);
    void take_body(double now);
    void end();
    void judge();
    void fail(std::exception_ptr problem);

    beast::tcp_stream stream_;
    const tcp::resolver::results_type& endpoints_;
    const std::string request_;
    http::response_parser<http::string_body> parser_;
    std::string unparsed_;
    SseReader events_;
    bool is_stream_ = false, has_head_ = false;
};

bool Connection::check(beast::error_code failure, std::string_view what) {
    if (!failure) return true;
    if (!record_.is_done) {
        const bool is_late = failure == beast::error::timeout;
        record_.error = is_late ? fmt::format("no end of the answer within the time limit ({})", what)
                                : fmt::format("{}: {}", what, failure.message());
        end();
    }
    return false;
}

void Connection::end() {
    record_.is_done = true;
    record_.ended = monotonic_seconds();
    stream_.close();
}

void Connection::fail(std::exception_ptr problem) {
    if (!problem || record_.is_done) return;
    try {
        std::rethrow_exception(problem);
    } catch (const std::exception& e) {
        record_.error = e.what();
    }
    end();
}

net::awaitable<void> Connection::run() {
    if (record_.is_done) co_return;
    record_.sent = monotonic_seconds();
    const auto [connecting, endpoint] = co_await stream_.async_connect(endpoints_, kAwait);
    if (!check(connecting, "cannot connect")) co_return;
    beast::error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    const auto bytes = net::buffer(request_);
    const auto [writing, written] = co_await net::async_write(stream_, bytes, kAwait);
    if (!check(writing, "cannot send the request")) co_return;
    std::vector<char> buffer(kReadBytes);
    const auto place = net::buffer(buffer);
    for (;;) {
        const auto [reading, count] = co_await stream_.async_read_some(place, kAwait);
        const double now = monotonic_seconds();
        if (record_.is_done) co_return;
        if (reading == net::error::eof) {
            beast::error_code cut;
            parser_.put_eof(cut);
            if (!check(cut, "the server hung up")) co_return;
            break;
        }
        if (!check(reading, "the server hung up")) co_return;
        const bool wants_more = take({buffer.data(), count}, now);
        if (!wants_more) break;
    }
    if (record_.is_done) co_return;
    judge();
    end();
}

bool Connection::take(std::string_view bytes, double now) {
    unparsed_ += bytes;
    while (!unparsed_.empty() && !parser_.is_done()) {
        beast::error_code failure;
        const size_t used = parser_.put(net::buffer(unparsed_), failure);
        unparsed_.erase(0, used);
        if (failure == http::error::need_more) break;
        if (!check(failure, "the answer is no HTTP")) return false;
        if (used == 0) break;
    }
    take_body(now);
    return !parser_.is_done() && record_.error.empty();
}

void Connection::take_body(double now) {
    if (!parser_.is_header_done()) return;
    if (!has_head_) {
        has_head_ = true;
        record_.status = static_cast<int>(parser_.get().result_int());
        record_.content_type = std::string(parser_.get()[http::field::content_type]);
        is_stream_ = record_.status == 200 && record_.content_type.starts_with("text/event-stream");
    }
    std::string& body = parser_.get().body();
    if (is_stream_) {
        const bool is_sane = events_.feed(body, [&](std::string_view data) { take_event(record_, data, now); });
        if (!is_sane) record_.error = "the stream has a line without an end";
    } else {
        record_.answer += body;
        if (record_.answer.size() > kMostAnswerBytes) record_.error = "the answer is too long";
    }
    body.clear();
}

// The answer is complete, or its stream told an error.
void Connection::judge() {
    if (!record_.error.empty()) return;
    if (record_.status != 200) {
        record_.error = error_message(record_.answer);
    } else if (is_stream_ && !record_.has_end) {
        record_.error = "the stream ended before its end ([DONE])";
    }
}

}  // namespace

struct LoadClient::State {
    net::io_context context{1};
    // So that run_one() waits when there is nothing to do but a deadline.
    net::executor_work_guard<net::io_context::executor_type> guard = net::make_work_guard(context);
    ServerAddress address;
    ClientOptions options;
    tcp::resolver::results_type endpoints;
    std::vector<std::weak_ptr<Connection>> connections;

    std::shared_ptr<Exchange> start(std::string_view method, std::string_view path, std::string_view body) {
        std::string request =
            fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", method, path, address.authority());
        if (!options.api_key.empty()) request += fmt::format("Authorization: Bearer {}\r\n", options.api_key);
        if (method == "POST")
            request += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
        request.append("\r\n").append(body);
        std::erase_if(connections, [](const auto& connection) { return connection.expired(); });
        auto connection = std::make_shared<Connection>(context, endpoints, std::move(request));
        connections.push_back(connection);
        connection->start(options.timeout_seconds);
        return connection;
    }
};

Result<LoadClient> LoadClient::create(const ServerAddress& address, ClientOptions options) {
    auto state = std::make_unique<State>();
    state->address = address;
    state->options = std::move(options);
    beast::error_code failure;
    tcp::resolver resolver(state->context);
    state->endpoints = resolver.resolve(address.host, std::to_string(address.port), failure);
    if (failure) return error("cannot find the host of {}: {}", address.url(), failure.message());
    return LoadClient(std::move(state));
}

LoadClient::LoadClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
LoadClient::LoadClient(LoadClient&&) noexcept = default;

LoadClient::~LoadClient() {
    if (!state_) return;
    for (const auto& weak : state_->connections)
        if (const auto connection = weak.lock()) connection->abandon();
    state_->context.poll();  // the coroutines notice, and end
}

std::shared_ptr<Exchange> LoadClient::post(std::string_view path, std::string body) {
    return state_->start("POST", path, body);
}

bool LoadClient::run_until(FunctionRef<bool()> is_done, double deadline) {
    net::steady_timer timer(state_->context);  // finer than run_one_for(), which waits for whole milliseconds
    const double left = deadline - monotonic_seconds();
    if (std::isfinite(left)) {
        timer.expires_after(nanoseconds(left));
        timer.async_wait([](beast::error_code) {});
    }
    while (!is_done()) {
        if (monotonic_seconds() >= deadline) return false;
        state_->context.run_one();
    }
    return true;
}

void LoadClient::run_until(double deadline) {
    run_until([] { return false; }, deadline);
}

Result<std::string> LoadClient::get(std::string_view path) {
    const auto exchange = state_->start("GET", path, "");
    const StreamRecord& record = exchange->record();
    run_until([&] { return record.is_done; });
    const std::string url = state_->address.url() + std::string(path);
    if (record.status != 0 && record.status != 200)
        return error("{} answered with status {}: {}", url, record.status, error_message(record.answer));
    if (!record.error.empty()) return error("{}: {}", url, record.error);
    return record.answer;
}

const ServerAddress& LoadClient::address() const {
    return state_->address;
}

}  // namespace hone::cli
