// The HTTP/1.1 server: accepts connections, reads requests within limits, hands them to a handler and sends its
// answers. Owns its I/O threads and every connection. bind, start, stop and the destructor are for one thread; handlers run
// on the I/O threads and must not block them. A client's misbehaviour ends in a 4xx answer or a closed connection,
// nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "serve/http/exchange.h"
#include "serve/http/message.h"

namespace hone::serve {

struct HttpLimits {
    int max_connections = 4096;                   // one beyond takes the place of the longest idle, or gets 429
    size_t header_bytes = 32 << 10;               // request line and headers; more gets 431
    size_t body_bytes = size_t{16} << 20;         // of one request; more gets 413
    size_t all_bodies_bytes = size_t{256} << 20;  // of all requests in progress; a request beyond gets 429
    size_t stream_queue_bytes = size_t{1} << 20;  // waiting for a client that reads its stream too slowly
    double header_seconds = 15;                   // from the first byte of a request to the end of its headers
    double body_seconds = 120;                    // to the end of its body
    double idle_seconds = 75;                     // between requests
    double write_seconds = 30;                    // for a client to take 64 KiB
    double keep_alive_seconds = 15;               // without output, until a comment is sent in an event stream
};

struct HttpHandlers {
    // Looks at a request before its body is read; an answer refuses it.
    std::function<std::optional<Response>(const Request& head)> screen;
    // Answers through the exchange, now or later, from any thread.
    std::function<void(Request request, ExchangePtr exchange)> serve;
    // The body of an error that the HTTP layer itself answers (400, 413, 417, 429, 431, 501).
    std::function<Response(int status, std::string message)> error_response;
    // Told of every answer when its head is written; the path is empty if the request could not be read.
    std::function<void(std::string_view path, int status)> observe;
    // Headers that every answer to this request carries. Optional.
    std::function<HeaderList(const Request& head)> extra_headers = {};
    // What the connection notes a request in; optional.
    std::function<std::shared_ptr<Transfer>()> begin_transfer = {};
};

struct ListenerOptions {
    std::string host = "127.0.0.1";  // address or name
    uint16_t port = 0;               // 0: any free one
    int io_threads = 2;
    HttpLimits limits = {};
};

class Listener {
  public:
    // Takes the address: nobody else can listen there, and connections are refused until start. Fails if the address
    // cannot be resolved or bound.
    static Result<std::unique_ptr<Listener>> bind(const ListenerOptions& options);
    // Accepts connections from here on. Once.
    Status start(HttpHandlers handlers);
    ~Listener();  // stop(0)

    uint16_t port() const;
    // Stops accepting and keeping alive, waits up to `seconds` for the requests in progress, abandons those that remain
    // (Abandoned::server_stopping), gives them a second for a last message, closes every connection and joins the
    // threads.
    void stop(double seconds);

  private:
    class Core;
    explicit Listener(std::unique_ptr<Core> core);
    std::unique_ptr<Core> core_;
};

}  // namespace hone::serve
