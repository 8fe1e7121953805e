// A `hone serve` of this very program as a child process, measured from outside. It ends with the object, and with this
// process however that ends. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace hone::cli {

class ServerProcess {
  public:
    // Starts `hone serve ARGUMENTS` on a free port of 127.0.0.1, without keys; its errors go to our stderr.
    static Result<ServerProcess> start(const std::vector<std::string>& arguments);
    ~ServerProcess();  // asks it to end, and waits for that
    ServerProcess(ServerProcess&& other) noexcept;
    ServerProcess& operator=(ServerProcess&&) = delete;

    // Returns when it takes connections. An error if it ends instead.
    Status wait_until_listening();
    // Sends `body` to /v1/completions and returns when the first event of the stream is there; the rest is read too.
    // Errors are the server's.
    Result<double> complete(const std::string& body) const;
    // Memory that is its own: RssAnon of /proc/PID/status.
    Result<size_t> private_bytes() const;

  private:
    ServerProcess(pid_t pid, int output) : pid_(pid), output_(output) {}

    pid_t pid_ = -1;
    int output_ = -1;  // its stdout
    uint16_t port_ = 0;
};

}  // namespace hone::cli
