// One client's connection: a coroutine that reads a request, hands it on, sends the answer and begins again. Lives on a
// strand of the listener's I/O threads; owned by its coroutine. Only http/connection.cpp and http/listener.cpp include
// this header.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_set>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "serve/http/framing.h"
#include "serve/http/listener.h"

namespace hone::serve {

class Connection;

// What all connections of a listener share; outlives them.
struct ConnectionContext {
    HttpLimits limits;
    HttpHandlers handlers;
    std::atomic<bool> draining{false};
    // Of all bodies that are being read or handled; shared with the requests' reservations.
    std::shared_ptr<std::atomic<size_t>> body_bytes = std::make_shared<std::atomic<size_t>>(0);

    std::mutex mutex;  // guards the rest
    std::condition_variable changed;
    std::unordered_set<Connection*> connections;
    std::unordered_set<std::shared_ptr<Exchange>> exchanges;  // requests in progress
};

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    using Socket = boost::asio::ip::tcp::socket;

    Connection(Socket socket, ConnectionContext& context);
    ~Connection();

    // Serves requests until the client or the server ends the connection.
    void start();
    // Closes the socket; whatever waits for it ends. Any thread.
    void close();
    // Since when it waits for a request, in monotonic seconds; 0 or less: it does not. Any thread.
    double idle_since() const { return idle_since_; }
    // Closes it unless a request begins to arrive; whether it was idle. Any thread.
    bool close_idle();

  private:
    template <class T>
    using Awaitable = boost::asio::awaitable<T>;

    Awaitable<void> run();
    Awaitable<bool> wait_for_request();
    Awaitable<bool> serve_one();
    // The status of an answer to a request that cannot be served, 0 for one that can, -1 to close without an answer.
    struct Verdict {
        int status = 0;
        std::string message = {};
    };
    Awaitable<Verdict> read_body(RequestParser& parser, std::string& body);
    struct AnswerStyle {
        std::string path;
        HeaderList extra_headers;
        bool head_only, keep_alive, chunked;
    };
    Awaitable<bool> answer(Request& request, const AnswerStyle& style);
    Awaitable<bool> write_answer(Exchange& exchange, const AnswerStyle& style);
    Awaitable<bool> send_output(const Exchange::Output& output, const AnswerStyle& style, bool streaming,
                                bool keep_alive);
    Awaitable<void> watch_client(Exchange& exchange);
    Awaitable<void> refuse(const Response& response, const Request& request);
    HeaderList extra_headers(const Request& request) const;
    Awaitable<bool> send(std::string_view bytes);
    void begin_transfer(Request& request);
    void note_head(const Response& head, std::string_view path);
    void release_body();
    void hand_over_body(Request& request);

    boost::beast::tcp_stream stream_;
    boost::beast::flat_buffer buffer_;
    boost::asio::steady_timer output_ready_;
    ConnectionContext& context_;
    size_t body_reserved_ = 0;
    std::atomic<double> idle_since_;
    bool client_gone_ = false;            // its end was read; Asio waits for ever for another one
    std::shared_ptr<Transfer> transfer_;  // of the request that is being served
};

}  // namespace hone::serve
