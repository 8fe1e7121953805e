// What a load run does while servers keep it waiting.
#include "cli/bench/load/load_run.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace hone::cli {
namespace {

// Takes connections and never says anything.
class SilentServer {
  public:
    SilentServer() {
        sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(socket_, 8), 0);
        EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
    }
    ~SilentServer() { ::close(socket_); }
    uint16_t port() const { return port_; }

  private:
    const int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t port_ = 0;
};

// Energy counters, which run over, are read there.
TEST(LoadRun, TellsProgressWhileNothingComes) {
    const SilentServer server;
    auto client = LoadClient::create({.host = "127.0.0.1", .port = server.port()}, {.timeout_seconds = 1});
    ASSERT_TRUE(client.ok()) << client.error().message;
    auto plan = LoadPlan::create({.prompt = *LengthDistribution::parse("5", LengthOf::prompt),
                                  .output = *LengthDistribution::parse("2", LengthOf::output),
                                  .rate = 2});
    ASSERT_TRUE(plan.ok()) << plan.error().message;
    std::vector<int64_t> told;
    const LoadRun run = run_load(
        *client, *plan, {.model = "m", .extra = {}}, {.requests = 2}, [&](int64_t sent) { told.push_back(sent); },
        0.02);
    ASSERT_EQ(run.requests.size(), 2u);
    EXPECT_FALSE(run.requests[0].record.succeeded());
    EXPECT_TRUE(std::ranges::is_sorted(told));
    EXPECT_GE(std::ranges::count(told, 1), 3);   // before the second is due
    EXPECT_GE(std::ranges::count(told, 2), 10);  // a second, until it fails
}

}  // namespace
}  // namespace hone::cli
