// Clients of the HTTP server that are slow, vanish or are too many, and its end while they are there.
#include <future>
#include <thread>

#include "serve/http/listener.h"
#include "tests/serve/listener_fixture.h"

namespace hone::serve {
namespace {

using namespace std::chrono_literals;

// Sends half a request behind a whole one: who has the answer to that knows that the half has been read too.
bool sends_half(RawClient& client) {
    return client.send(post("/echo", "hi") + "GET /echo HT") && client.read_until("hi").ends_with("hi");
}

// Whether one client more is refused, as there are too many, before long.
bool refuses_another(const Listener& listener) {
    return eventually([&] {
        RawClient another(listener.port());
        return another.read_all(0.5).starts_with("HTTP/1.1 429");
    });
}

// Whether one client more is answered before long.
bool serves_another(const Listener& listener) {
    return eventually([&] {
        RawClient another(listener.port());
        return another.send(post("/echo", "hi")) && another.read_until("hi", 1).starts_with("HTTP/1.1 200");
    });
}

TEST_F(ListenerTest, ClosesSlowlorisConnections) {
    start({.header_seconds = 0.3, .body_seconds = 0.3, .idle_seconds = 0.3});
    RawClient header(listener_->port()), body(listener_->port()), idle(listener_->port());
    ASSERT_TRUE(header.send("GET /echo HTTP/1.1\r\nHost: x\r\n"));
    ASSERT_TRUE(body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"));
    for (int i = 0; i < 10; ++i) {  // a byte now and then does not prolong the time
        std::this_thread::sleep_for(50ms);
        header.send("a");
        body.send("a");
    }
    header.read_all(2), body.read_all(2), idle.read_all(2);
    EXPECT_TRUE(header.ended());
    EXPECT_TRUE(body.ended());
    EXPECT_TRUE(idle.ended());
}

TEST_F(ListenerTest, NoticesClientsThatGoAway) {
    start();
    for (const bool half : {false, true}) {
        for (const std::string path : {"/hold", "/stream"}) {
            abandoned_ = -1;
            is_held_ = false;
            RawClient client(listener_->port());
            ASSERT_TRUE(client.send(post(path, "")));
            held();
            EXPECT_EQ(abandoned_, -1);
            half ? client.half_close() : client.close();
            EXPECT_TRUE(eventually([&] { return abandoned_ == static_cast<int>(Abandoned::client_gone); })) << path;
        }
    }
}

// Beyond the limit of what is read ahead, the end of the connection would not be seen.
TEST_F(ListenerTest, NoticesClientsThatGoAwayAfterSendingMuchAhead) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send(post("/hold", "")));
    held();
    client.send(std::string(300000, 'x'));
    client.close();
    EXPECT_TRUE(eventually([&] { return abandoned_ == static_cast<int>(Abandoned::client_gone); }));
}

TEST(Exchange, OnlyPiecesThatWaitBehindOthersCount) {
    Exchange exchange(10, [] {});
    exchange.begin_stream({});
    const std::string large(100, 'x');
    exchange.write(large);
    exchange.write(large, Exchange::Counted::no);
    EXPECT_EQ(exchange.take().value_or(Exchange::Output{}).bytes.size(), 200u) << "nothing waited before them";
    exchange.write("0123456789");
    exchange.write(large, Exchange::Counted::no);
    EXPECT_FALSE(exchange.take().value_or(Exchange::Output{}).broken);
    exchange.write("0123456789");
    exchange.write("0");
    EXPECT_TRUE(exchange.take().value_or(Exchange::Output{}).broken);
    exchange.detach();
}

TEST(Exchange, IsBackedUpUntilTheConnectionTakesWhatWaits) {
    Exchange exchange(1600, [] {});
    int drained = 0;
    exchange.on_drained([&] { drained++; });
    exchange.begin_stream({});
    exchange.write(std::string(100, 'x'));
    exchange.write(std::string(1000, 'x'), Exchange::Counted::no);
    EXPECT_FALSE(exchange.is_backed_up());
    exchange.write("x");
    EXPECT_TRUE(exchange.is_backed_up());
    EXPECT_EQ(drained, 0);
    exchange.take();
    EXPECT_FALSE(exchange.is_backed_up());
    EXPECT_EQ(drained, 1);
    exchange.write("x");
    exchange.take();
    EXPECT_EQ(drained, 1);
    exchange.detach();
}

TEST_F(ListenerTest, AbandonsClientsThatDoNotReadTheirStream) {
    start({.stream_queue_bytes = 100000});
    RawClient client(listener_->port(), 4096);
    ASSERT_TRUE(client.send(post("/stream", "")));
    const ExchangePtr exchange = held();
    const std::string piece(10000, 'x');
    size_t written = 0;
    for (; abandoned_ < 0 && written < (size_t{64} << 20); written += piece.size()) {
        exchange->write(piece);
        std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(abandoned_, static_cast<int>(Abandoned::client_too_slow));
    EXPECT_LT(written, size_t{32} << 20);
    client.read_all(2);
    EXPECT_TRUE(client.ended());
}

TEST_F(ListenerTest, AbandonsClientsThatStallAWrite) {
    start({.write_seconds = 0.3});
    RawClient client(listener_->port(), 4096);
    ASSERT_TRUE(client.send(post("/hold", "")));
    held()->respond({.body = std::string(size_t{8} << 20, 'x')});
    std::this_thread::sleep_for(600ms);
    client.read_all(2);
    EXPECT_TRUE(client.ended());
}

// The time is for what is being sent: a client that reads may have nothing to read for longer.
TEST_F(ListenerTest, TheTimeForAWriteDoesNotEndStreamsThatAreRead) {
    start({.write_seconds = 0.2});
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send(post("/stream", "")));
    const ExchangePtr exchange = held();
    std::this_thread::sleep_for(600ms);
    EXPECT_EQ(abandoned_, -1);
    exchange->write("data: 1\n\n");
    exchange->end();
    EXPECT_TRUE(client.read_until("\r\n0\r\n\r\n").ends_with("data: 1\n\n\r\n0\r\n\r\n"));
}

TEST_F(ListenerTest, AnswersForHandlersThatForget) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send(post("/drop", "")));
    EXPECT_TRUE(client.read_until("server_error").starts_with("HTTP/1.1 500"));

    RawClient streaming(listener_->port());
    ASSERT_TRUE(streaming.send(post("/stream", "")));
    held();
    {
        std::lock_guard lock(mutex_);
        held_ = nullptr;
    }
    EXPECT_EQ(streaming.read_all(2).find("\r\n0\r\n\r\n"), std::string::npos) << "a cut stream must not look complete";
    EXPECT_TRUE(streaming.ended());
}

TEST_F(ListenerTest, RefusesConnectionsBeyondTheLimit) {
    start({.max_connections = 2});
    RawClient first(listener_->port()), second(listener_->port());
    for (RawClient* client : {&first, &second}) ASSERT_TRUE(sends_half(*client));  // neither is idle
    EXPECT_TRUE(refuses_another(*listener_));
    second.close();
    EXPECT_TRUE(serves_another(*listener_));
}

TEST_F(ListenerTest, AcceptsOnAfterThereWasNoMemoryToRefuseAConnection) {
    start({.max_connections = 1});
    RawClient only(listener_->port());
    ASSERT_TRUE(sends_half(only));
    EXPECT_TRUE(refuses_another(*listener_));
    lacks_memory_ = true;
    RawClient refused(listener_->port());
    EXPECT_TRUE(eventually([&] { return !lacks_memory_; }));
    only.close();
    EXPECT_TRUE(serves_another(*listener_));
}

TEST_F(ListenerTest, TheLongestIdleConnectionMakesWay) {
    start({.max_connections = 3});
    RawClient oldest(listener_->port()), younger(listener_->port()), busy(listener_->port());
    ASSERT_TRUE(busy.send(post("/hold", "")));
    held();
    for (RawClient* client : {&younger, &oldest, &younger}) {  // the order in which they become idle
        ASSERT_TRUE(client->send(post("/echo", "hi")));
        EXPECT_TRUE(client->read_until("hi").ends_with("hi"));
        std::this_thread::sleep_for(50ms);  // the connection learns that its answer is sent after we have read it
    }
    RawClient newcomer(listener_->port());
    ASSERT_TRUE(newcomer.send(post("/echo", "hi")));
    EXPECT_TRUE(newcomer.read_until("hi").starts_with("HTTP/1.1 200"));
    EXPECT_EQ(oldest.read_all(20), "");
    EXPECT_TRUE(oldest.ended());
    ASSERT_TRUE(younger.send(post("/echo", "hi")));
    EXPECT_TRUE(younger.read_until("hi").ends_with("hi"));
    held()->respond({.body = "done"});
    EXPECT_TRUE(busy.read_until("done").ends_with("done"));
}

TEST_F(ListenerTest, DrainWaitsForRequestsInProgress) {
    start();
    RawClient client(listener_->port()), idle(listener_->port());
    ASSERT_TRUE(client.send(post("/hold", "")));
    ExchangePtr exchange = held();
    auto stopped = std::async(std::launch::async, [&] { listener_->stop(10); });
    EXPECT_TRUE(eventually([&] { return !RawClient(listener_->port()).connected(); }));
    EXPECT_EQ(stopped.wait_for(100ms), std::future_status::timeout);
    exchange->respond({.body = "finished"});
    const std::string answer = client.read_all(2);
    EXPECT_TRUE(answer.ends_with("finished"));
    EXPECT_EQ(stopped.wait_for(3s), std::future_status::ready);
    idle.read_all(1);
    EXPECT_TRUE(idle.ended());
}

TEST_F(ListenerTest, DrainEndsAfterItsTime) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send(post("/stream", "")));
    ExchangePtr exchange = held();
    auto stopped = std::async(std::launch::async, [&] { listener_->stop(0.2); });
    EXPECT_TRUE(eventually([&] { return abandoned_ == static_cast<int>(Abandoned::server_stopping); }));
    exchange->write("data: stopping\n\n");
    exchange->end();
    EXPECT_NE(client.read_all(2).find("data: stopping"), std::string::npos);
    EXPECT_EQ(stopped.wait_for(3s), std::future_status::ready);
}

TEST_F(ListenerTest, StopsWithExchangesStillHeld) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send(post("/hold", "")));
    ExchangePtr exchange = held();
    listener_->stop(0);
    exchange->respond({.body = "too late"});  // goes nowhere, and harms nothing
}

// A connection that comes while the others are being closed must not keep the threads for its idle time.
TEST_F(ListenerTest, StopsAtOnceWhileClientsKeepConnecting) {
    for (int round = 0; round < 40; ++round) {
        start();
        std::atomic<bool> stopped{false};
        std::vector<std::thread> clients;
        for (int i = 0; i < 2; ++i)
            clients.emplace_back([&, port = listener_->port()] {
                std::vector<std::unique_ptr<RawClient>> open;
                while (!stopped && open.size() < 500) open.push_back(std::make_unique<RawClient>(port));
                while (!stopped) std::this_thread::sleep_for(1ms);
            });
        std::this_thread::sleep_for(1ms);
        auto stopping = std::async(std::launch::async, [&] { listener_->stop(0); });
        EXPECT_EQ(stopping.wait_for(10s), std::future_status::ready) << round;
        stopped = true;
        for (std::thread& client : clients) client.join();
        if (::testing::Test::HasFailure()) break;
    }
}

}  // namespace
}  // namespace hone::serve
