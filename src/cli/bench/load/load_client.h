// Asks a server many things at once and notes when each byte of their answers arrives. All of it happens in the thread
// that calls run_until(), one thread for any number of requests, so that a server on the same machine keeps its cores;
// between two calls nothing arrives. Each request has a connection of its own.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/result.h"
#include "cli/bench/load/server_address.h"
#include "cli/bench/load/stream_record.h"

namespace hone::cli {

inline constexpr double kForever = std::numeric_limits<double>::infinity();

// A request on its way. The client that posted it must live while the request is not done and run_until() is called.
class Exchange {
  public:
    virtual ~Exchange() = default;
    const StreamRecord& record() const { return record_; }
    // Closes the connection, as a user does who leaves; the record is done at once. Nothing to do if it is done already.
    virtual void abandon() = 0;

  protected:
    StreamRecord record_;
};

struct ClientOptions {
    std::string api_key = {};      // sent as a bearer token if there is one
    double timeout_seconds = 600;  // for one request, from its sending to its end
};

class LoadClient {
  public:
    // Looks the host up. Errors name it.
    static Result<LoadClient> create(const ServerAddress& address, ClientOptions options);
    ~LoadClient();  // abandons what is not done
    LoadClient(LoadClient&& other) noexcept;
    LoadClient& operator=(LoadClient&&) = delete;

    // Sends a JSON body to `path` when run_until() is called next.
    std::shared_ptr<Exchange> post(std::string_view path, std::string body);
    // Works until is_done() or until monotonic_seconds() is `deadline`; the last value of is_done().
    bool run_until(FunctionRef<bool()> is_done, double deadline = kForever);
    void run_until(double deadline);
    // The body of an answer with status 200; other requests go on meanwhile. Errors name the URL.
    Result<std::string> get(std::string_view path);

    const ServerAddress& address() const;

  private:
    struct State;
    explicit LoadClient(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
};

}  // namespace hone::cli
