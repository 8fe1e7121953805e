// A `hone serve` of this very program as a child process, measured from outside. It ends with the object, and with this
// process however that ends. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "cli/model_options.h"

namespace hone::cli {

// What `hone serve` is given to serve this model as `hone bench` is told to.
std::vector<std::string> server_arguments(const ModelOptions& model);

class ServerProcess {
  public:
    // Starts `hone serve ARGUMENTS` on a free port of 127.0.0.1, without keys; its errors go to our stderr.
    static Result<ServerProcess> start(const std::vector<std::string>& arguments);
    ~ServerProcess();  // asks it to end, and waits for that
    ServerProcess(ServerProcess&& other) noexcept;
    ServerProcess& operator=(ServerProcess&&) = delete;

    // Returns when it takes connections. An error if it ends instead.
    Status wait_until_listening();
    uint16_t port() const { return port_; }  // of 127.0.0.1, once it listens
    pid_t pid() const { return pid_; }
    // Memory that is its own: RssAnon of /proc/PID/status.
    Result<size_t> private_bytes() const;

  private:
    ServerProcess(pid_t pid, int output) : pid_(pid), output_(output) {}

    pid_t pid_ = -1;
    int output_ = -1;  // its stdout
    uint16_t port_ = 0;
};

}  // namespace hone::cli
