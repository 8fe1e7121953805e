#include "serve/http/listener.h"

#include <future>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <netinet/tcp.h>

#include "base/log.h"
#include "serve/http/answer_text.h"
#include "serve/http/connection.h"

namespace hone::serve {

namespace net = boost::asio;
using tcp = net::ip::tcp;
using ErrorCode = boost::system::error_code;

namespace {

constexpr double kLastMessageSeconds = 1;
constexpr std::chrono::milliseconds kPause(100);  // before what failed for want of memory or files is tried again
constexpr int kSendBufferBytes = 256 << 10;

// No delay for small pieces, a bounded send buffer, and probes that find clients that vanished without a word.
void set_socket_options(tcp::socket& socket) {
    ErrorCode ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(net::socket_base::send_buffer_size(kSendBufferBytes), ignored);
    socket.set_option(net::socket_base::keep_alive(true), ignored);
    using Integer = net::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
    socket.set_option(Integer(30), ignored);
    using Interval = net::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
    socket.set_option(Interval(10), ignored);
    using Count = net::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;
    socket.set_option(Count(3), ignored);
}

}  // namespace

class Listener::Core {
  public:
    explicit Core(ListenerOptions options)
        : options_(std::move(options)), work_(net::make_work_guard(io_)), acceptor_(net::make_strand(io_)) {
        context_.limits = options_.limits;
    }

    Status bind() {
        ErrorCode failure;
        tcp::resolver resolver(io_);
        const auto found = resolver.resolve(options_.host, std::to_string(options_.port),
                                            tcp::resolver::passive | tcp::resolver::numeric_service, failure);
        if (failure || found.empty()) return failed_to("resolve", failure);
        const tcp::endpoint endpoint = found.begin()->endpoint();
        acceptor_.open(endpoint.protocol(), failure);
        if (!failure) acceptor_.set_option(net::socket_base::reuse_address(true), failure);
        if (!failure) acceptor_.bind(endpoint, failure);
        if (!failure) port_ = acceptor_.local_endpoint(failure).port();
        return failure ? failed_to("listen on", failure) : ok();
    }

    Status start(HttpHandlers handlers) {
        context_.handlers = std::move(handlers);
        ErrorCode failure;
        acceptor_.listen(net::socket_base::max_listen_connections, failure);
        if (failure) return failed_to("listen on", failure);
        begin_to_accept_ = true;
        for (int i = 0; i < options_.io_threads; ++i) threads_.emplace_back([this] { run_io(); });
        return ok();
    }

    void stop(double seconds) {
        if (threads_.empty()) return;
        context_.draining = true;
        net::post(acceptor_.get_executor(), [this] {
            ErrorCode ignored;
            acceptor_.close(ignored);
        });
        accepting_ended_.get_future().wait();  // no connection comes after those that are known now
        if (!wait_until_idle(seconds)) {
            std::vector<std::shared_ptr<Exchange>> remaining;
            {
                std::lock_guard lock(context_.mutex);
                remaining.assign(context_.exchanges.begin(), context_.exchanges.end());
            }
            LOG_WARN("http: {} requests were not finished in time and are cancelled", remaining.size());
            for (const auto& exchange : remaining) exchange->abandon(Abandoned::server_stopping);
            wait_until_idle(kLastMessageSeconds);
        }
        close_connections();
        work_.reset();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

    uint16_t port() const { return port_; }

  private:
    Status failed_to(std::string_view act, const ErrorCode& failure) const {
        return error("cannot {} {}:{}: {}", act, options_.host, options_.port, failure.message());
    }

    bool wait_until_idle(double seconds) {
        std::unique_lock lock(context_.mutex);
        return context_.changed.wait_for(lock, std::chrono::duration<double>(seconds),
                                         [this] { return context_.exchanges.empty(); });
    }

    // Asks until none is left.
    void close_connections() {
        for (;;) {
            std::vector<std::shared_ptr<Connection>> open;  // released without the lock: the last owner's end takes it
            {
                std::lock_guard lock(context_.mutex);
                if (context_.connections.empty()) return;
                for (Connection* connection : context_.connections)
                    if (auto owned = connection->weak_from_this().lock()) open.push_back(std::move(owned));
            }
            for (const auto& connection : open) connection->close();
            open.clear();
            std::unique_lock lock(context_.mutex);
            context_.changed.wait_for(lock, std::chrono::milliseconds(50),
                                      [this] { return context_.connections.empty(); });
        }
    }

    // The work of an I/O thread. What a handler throws ends that handler alone: there was no memory for it.
    void run_io() {
        for (;;) {
            try {
                if (begin_to_accept_.exchange(false)) start_accepting();
                io_.run();
                return;
            } catch (const std::exception& problem) {
                LOG_ERROR("http: {}", problem.what());
                std::this_thread::sleep_for(kPause);
            }
        }
    }

    void start_accepting() {
        try {
            net::co_spawn(acceptor_.get_executor(), accept_all(), [this](const std::exception_ptr& problem) {
                if (!problem) return accepting_ended_.set_value();
                begin_to_accept_ = true;  // by the thread that this leaves io_.run() of
                std::rethrow_exception(problem);
            });
        } catch (...) {
            begin_to_accept_ = true;
            throw;
        }
    }

    // Ends when the acceptor is closed.
    net::awaitable<void> accept_all() {
        while (acceptor_.is_open()) {
            auto [failure, socket] =
                co_await acceptor_.async_accept(net::make_strand(io_), net::as_tuple(net::use_awaitable));
            if (!acceptor_.is_open()) co_return;
            if (failure) {
                LOG_WARN("http: cannot accept a connection: {}", failure.message());
                net::steady_timer pause(io_, kPause);
                co_await pause.async_wait(net::as_tuple(net::use_awaitable));
                continue;
            }
            admit(std::move(socket));
        }
    }

    void admit(tcp::socket socket) {
        set_socket_options(socket);
        if (make_room()) {
            std::make_shared<Connection>(std::move(socket), context_)->start();
            return;
        }
        const Response busy = context_.handlers.error_response(429, "too many connections; try again later");
        context_.handlers.observe("", busy.status);
        const std::string text = head_text(busy, {.keep_alive = false, .content_length = busy.body.size()}) + busy.body;
        ErrorCode ignored;
        socket.non_blocking(true, ignored);
        socket.write_some(net::buffer(text), ignored);  // an empty send buffer takes it whole
        socket.shutdown(tcp::socket::shutdown_both, ignored);
    }

    // Whether one more connection may be served: one that idles makes way for it.
    bool make_room() {
        std::shared_ptr<Connection> longest;
        std::lock_guard lock(context_.mutex);
        if (context_.connections.size() < static_cast<size_t>(context_.limits.max_connections)) return true;
        Connection* found = nullptr;
        for (Connection* connection : context_.connections) {
            const double since = connection->idle_since();
            if (since > 0 && (!found || since < found->idle_since())) found = connection;
        }
        if (found) longest = found->weak_from_this().lock();
        return longest && longest->close_idle();
    }

    const ListenerOptions options_;
    ConnectionContext context_;
    net::io_context io_;
    net::executor_work_guard<net::io_context::executor_type> work_;
    tcp::acceptor acceptor_;
    uint16_t port_ = 0;
    std::atomic<bool> begin_to_accept_ = false;
    std::promise<void> accepting_ended_;
    std::vector<std::thread> threads_;
};

Listener::Listener(std::unique_ptr<Core> core) : core_(std::move(core)) {}

Listener::~Listener() {
    stop(0);
}

Result<std::unique_ptr<Listener>> Listener::bind(const ListenerOptions& options) {
    try {
        auto core = std::make_unique<Core>(options);
        if (const Status bound = core->bind(); !bound) return bound.error();
        return std::unique_ptr<Listener>(new Listener(std::move(core)));
    } catch (const std::exception& problem) {
        return error("cannot listen on {}:{}: {}", options.host, options.port, problem.what());
    }
}

Status Listener::start(HttpHandlers handlers) {
    try {
        return core_->start(std::move(handlers));
    } catch (const std::exception& problem) {
        return error("cannot start the HTTP server: {}", problem.what());
    }
}

uint16_t Listener::port() const {
    return core_->port();
}

void Listener::stop(double seconds) {
    core_->stop(seconds);
}

}  // namespace hone::serve
