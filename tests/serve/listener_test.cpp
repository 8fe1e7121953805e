// The HTTP server over loopback with a small handler: framing, limits, slow and vanishing clients, draining.
#include "serve/http/listener.h"

#include <atomic>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "serve/http/answer_text.h"
#include "serve/http/sse.h"
#include "tests/serve/eventually.h"
#include "tests/serve/raw_client.h"

namespace hone::serve {
namespace {

using namespace std::chrono_literals;

// Routes: /echo answers with the body; /hold keeps the exchange for the test; /drop forgets it; /refused is refused by
// its head.
class ListenerTest : public ::testing::Test {
  protected:
    void start(HttpLimits limits = {}) {
        auto bound = Listener::bind({.port = 0, .limits = limits});
        ASSERT_TRUE(bound.ok()) << bound.error().message;
        listener_ = std::move(bound).value();
        const Status started = listener_->start(
            {.screen = [](const Request& head) -> std::optional<Response> {
                 if (head.path != "/refused") return std::nullopt;
                 return Response{.status = 403, .body = "no"};
             },
             .serve = [this](Request request, ExchangePtr exchange) { serve(std::move(request), std::move(exchange)); },
             .error_response =
                 [](int status, std::string message) { return Response{.status = status, .body = std::move(message)}; },
             .observe =
                 [this](std::string_view, int status) {
                     last_status_ = status;
                     if (lacks_memory_.exchange(false)) throw std::bad_alloc();
                 }});
        ASSERT_TRUE(started.ok()) << started.error().message;
    }
    void TearDown() override { held_ = nullptr; }
    void let_go_of_the_body() {
        std::lock_guard lock(mutex_);
        reservation_ = nullptr;
    }

    void serve(Request request, ExchangePtr exchange) {
        if (request.path == "/echo") return exchange->respond({.content_type = "text/plain", .body = request.body});
        if (request.path == "/drop") return;
        exchange->on_abandoned([this](Abandoned why) { abandoned_ = static_cast<int>(why); });
        if (request.path == "/stream") exchange->begin_stream({.content_type = std::string(kSseContentType)});
        std::lock_guard lock(mutex_);
        held_ = std::move(exchange);
        reservation_ = std::move(request.reservation);
        is_held_ = true;
    }
    ExchangePtr held() {
        EXPECT_TRUE(eventually([&] { return is_held_.load(); }));
        std::lock_guard lock(mutex_);
        return held_;
    }

    std::atomic<int> abandoned_{-1}, last_status_{0};
    std::atomic<bool> is_held_{false}, lacks_memory_{false};
    std::mutex mutex_;
    ExchangePtr held_;
    std::shared_ptr<void> reservation_;  // of the body held
    std::unique_ptr<Listener> listener_;
};

std::string post(std::string_view path, std::string_view body, std::string_view headers = "") {
    return fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n{}", path, body.size(), headers,
                       body);
}

TEST_F(ListenerTest, KeepsConnectionsForFurtherRequests) {
    start();
    RawClient client(listener_->port());
    for (const std::string body : {"one", "", "three"}) {
        ASSERT_TRUE(client.send(post("/echo", body)));
        const std::string answer = client.read_until(body.empty() ? "\r\n\r\n" : "\r\n\r\n" + body);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
        EXPECT_TRUE(answer.ends_with("\r\n\r\n" + body)) << answer;
        EXPECT_NE(answer.find("Connection: keep-alive"), std::string::npos);
    }
}

TEST_F(ListenerTest, AnswersCarryTheIdOfTheirRequest) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send(post("/echo", "one", "X-Request-Id: of-the-client\r\n") + post("/echo", "two")));
    const std::string answers = client.read_until("two");
    EXPECT_NE(answers.find("\r\nX-Request-Id: of-the-client\r\n"), std::string::npos) << answers;
    EXPECT_NE(answers.rfind("\r\nX-Request-Id: "), answers.find("\r\nX-Request-Id: ")) << answers;
    RawClient refused(listener_->port());
    ASSERT_TRUE(refused.send(post("/refused", "three", "X-Request-Id: no\r\n")));
    EXPECT_NE(refused.read_until("\r\n\r\nno").find("\r\nX-Request-Id: no\r\n"), std::string::npos);
}

// Its end may be read before the answer is sent, and is not read again.
TEST_F(ListenerTest, AConnectionWhoseClientHalfClosedDoesNotLinger) {
    start();
    for (int i = 0; i < 20; ++i) {
        RawClient client(listener_->port());
        ASSERT_TRUE(client.send(post("/echo", "hi")));
        client.half_close();
        client.read_all(2);
        ASSERT_TRUE(client.ended()) << i;
    }
}

TEST_F(ListenerTest, ReadsRequestsSentAhead) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send(post("/echo", "first") + post("/echo", "second") + post("/echo", "third")));
    const std::string answers = client.read_until("third");
    EXPECT_LT(answers.find("first"), answers.find("second"));
    EXPECT_LT(answers.find("second"), answers.find("third"));
}

TEST_F(ListenerTest, ReadsBodiesInChunksAndByteByByte) {
    start();
    RawClient client(listener_->port());
    const std::string request =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n";
    for (const char c : request) ASSERT_TRUE(client.send({&c, 1}));
    EXPECT_TRUE(client.read_until("abcdefg").ends_with("\r\n\r\nabcdefg"));
}

TEST_F(ListenerTest, AnswersExpectContinue) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(client.send("ok"));
    EXPECT_TRUE(client.read_until("\r\n\r\nok").starts_with("HTTP/1.1 200"));

    RawClient other(listener_->port());
    ASSERT_TRUE(other.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: a-miracle\r\n\r\n"));
    EXPECT_TRUE(other.read_all().starts_with("HTTP/1.1 417"));
}

TEST_F(ListenerTest, HeadHasNoBodyAndHttp10ClosesAfterTheAnswer) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send("HEAD /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody" + post("/echo", "next")));
    const std::string answers = client.read_until("next");
    EXPECT_NE(answers.find("Content-Length: 4\r\nConnection: keep-alive\r\n"), std::string::npos) << answers;
    EXPECT_EQ(answers.find("\r\n\r\nHTTP/1.1 200"), answers.find("\r\n\r\n")) << answers;

    RawClient old(listener_->port());
    ASSERT_TRUE(old.send("POST /echo HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi"));
    EXPECT_TRUE(old.read_all().ends_with("\r\n\r\nhi"));
    EXPECT_TRUE(old.ended());
}

TEST_F(ListenerTest, StreamsInChunks) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send(post("/stream", "")));
    const ExchangePtr exchange = held();
    EXPECT_NE(client.read_until("\r\n\r\n").find("Transfer-Encoding: chunked"), std::string::npos);
    exchange->write("data: 1\n\n");
    EXPECT_EQ(client.read_until("\n\n\r\n"), "9\r\ndata: 1\n\n\r\n");
    exchange->write("data: 2\n\n");
    exchange->end();
    EXPECT_TRUE(client.read_until("\r\n0\r\n\r\n").ends_with("0\r\n\r\n"));
    ASSERT_TRUE(client.send(post("/echo", "again")));
    EXPECT_TRUE(client.read_until("again").ends_with("again"));
}

TEST_F(ListenerTest, SendsCommentsWhileAStreamIsSilent) {
    start({.keep_alive_seconds = 0.05});
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send(post("/stream", "")));
    EXPECT_NE(client.read_until(": keep-alive\n\n").find(": keep-alive\n\n"), std::string::npos);
}

TEST_F(ListenerTest, RefusesByTheHeadWithoutReadingTheBody) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send("POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"));
    EXPECT_TRUE(client.read_all(2).starts_with("HTTP/1.1 403"));
}

TEST_F(ListenerTest, LimitsBodies) {
    start({.body_bytes = 1000});
    RawClient declared(listener_->port());
    ASSERT_TRUE(declared.send(post("/echo", std::string(300000, 'x'))));
    EXPECT_TRUE(declared.read_all(2).starts_with("HTTP/1.1 413"));

    RawClient chunked(listener_->port());
    ASSERT_TRUE(chunked.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 20; ++i) chunked.send("64\r\n" + std::string(100, 'x') + "\r\n");
    EXPECT_TRUE(chunked.read_all(2).starts_with("HTTP/1.1 413"));

    RawClient exact(listener_->port());
    ASSERT_TRUE(exact.send(post("/echo", std::string(1000, 'x'))));
    EXPECT_TRUE(exact.read_until("\r\n\r\nx").starts_with("HTTP/1.1 200"));
}

TEST_F(ListenerTest, LimitsAllBodiesTogether) {
    start({.body_bytes = 1000, .all_bodies_bytes = 1500});
    RawClient holder(listener_->port());
    ASSERT_TRUE(holder.send(post("/hold", std::string(900, 'x'))));
    ExchangePtr exchange = held();
    RawClient second(listener_->port());
    ASSERT_TRUE(second.send(post("/echo", std::string(900, 'x'))));
    EXPECT_TRUE(second.read_all(2).starts_with("HTTP/1.1 429"));
    let_go_of_the_body();  // long before the answer, as a generation does
    RawClient third(listener_->port());
    ASSERT_TRUE(third.send(post("/echo", std::string(900, 'x'))));
    EXPECT_TRUE(third.read_until("\r\n\r\nx").starts_with("HTTP/1.1 200"));
    exchange->respond({.body = "done"});
    EXPECT_TRUE(holder.read_until("done").ends_with("done"));
}

TEST_F(ListenerTest, LimitsHeadersAndRejectsMalformedRequests) {
    start({.header_bytes = 4096});
    RawClient large(listener_->port());
    ASSERT_TRUE(large.send("GET /echo HTTP/1.1\r\nHost: x\r\nX: " + std::string(8000, 'y') + "\r\n\r\n"));
    EXPECT_TRUE(large.read_all(2).starts_with("HTTP/1.1 431"));
    for (const std::string request :
         {"nonsense\r\n\r\n", "GET /a HTTP/9.9\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET relative HTTP/1.1\r\nHost: x\r\n\r\n", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"}) {
        RawClient client(listener_->port());
        ASSERT_TRUE(client.send(request));
        client.half_close();
        const std::string answer = client.read_all(2);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << request << answer;
    }
}

// Where a proxy in front may see another end of the request, the rest must not be served as a request of its own.
TEST_F(ListenerTest, RefusesRequestsThatCanBeReadInTwoWays) {
    start();
    struct Case {
        const char *head, *status;
    };
    for (const Case& wrong : std::vector<Case>{
             {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n", "501"},
             {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n", "501"},
             {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "501"},
             {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n", "501"},
             {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n", "501"},
             {"POST /%zz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n", "501"},
             {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n", "400"},
             {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n", "400"},
             {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n", "400"},
             {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n", "400"},
             {"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n", "400"},
             {"GET /echo HTTP/1.1\r\n", "400"},
             {"GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n", "400"},
         }) {
        RawClient client(listener_->port());
        ASSERT_TRUE(client.send(std::string(wrong.head) + "\r\n" + post("/echo", "smuggled")));
        client.half_close();
        const std::string answer = client.read_all(2);
        EXPECT_TRUE(answer.starts_with(std::string("HTTP/1.1 ") + wrong.status)) << wrong.head << answer;
        EXPECT_EQ(answer.find("HTTP/1.1 200"), std::string::npos) << wrong.head << answer;
        EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
    }
}

TEST_F(ListenerTest, TakesTargetsThatAreUrls) {
    start();
    RawClient client(listener_->port());
    ASSERT_TRUE(client.send("POST http://x:80/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"));
    EXPECT_TRUE(client.read_until("\r\n\r\nok").starts_with("HTTP/1.1 200"));
}

TEST(AnswerText, NoContentHasNoLength) {
    const std::string head = head_text({.status = 204, .content_type = ""}, {.keep_alive = true, .content_length = 0});
    EXPECT_EQ(head, "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
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
    for (RawClient* client : {&first, &second}) ASSERT_TRUE(client->send("GET /echo HT"));  // neither is idle
    EXPECT_TRUE(eventually([&] {
        RawClient third(listener_->port());
        return third.read_all(0.5).starts_with("HTTP/1.1 429");
    }));
    second.close();
    EXPECT_TRUE(eventually([&] {
        RawClient again(listener_->port());
        return again.send(post("/echo", "hi")) && again.read_until("hi", 1).starts_with("HTTP/1.1 200");
    }));
}

TEST_F(ListenerTest, AcceptsOnAfterThereWasNoMemoryToRefuseAConnection) {
    start({.max_connections = 1});
    RawClient only(listener_->port());
    ASSERT_TRUE(only.send("GET /echo HT"));
    EXPECT_TRUE(eventually([&] {
        RawClient second(listener_->port());
        return second.read_all(0.5).starts_with("HTTP/1.1 429");
    }));
    lacks_memory_ = true;
    RawClient refused(listener_->port());
    EXPECT_TRUE(eventually([&] { return !lacks_memory_; }));
    only.close();
    EXPECT_TRUE(eventually([&] {
        RawClient again(listener_->port());
        return again.send(post("/echo", "hi")) && again.read_until("hi", 1).starts_with("HTTP/1.1 200");
    }));
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

TEST_F(ListenerTest, SaysWhyItCannotListen) {
    start();
    const auto second = Listener::bind({.port = listener_->port()});
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().message.find(std::to_string(listener_->port())), std::string::npos)
        << second.error().message;
    EXPECT_FALSE(Listener::bind({.host = "no.such.host.invalid"}).ok());
}

TEST(Sse, LineBreaksCannotEndAnEvent) {
    EXPECT_EQ(sse_event("{}"), "data: {}\n\n");
    EXPECT_EQ(sse_event("a\nb"), "data: a\ndata: b\n\n");
    EXPECT_EQ(sse_event("a\r\nb\rc"), "data: a\ndata: b\ndata: c\n\n");
}

TEST(Target, SplitsAndDecodes) {
    std::string path, query;
    EXPECT_TRUE(split_target("/v1/models/a%2Fb?x=1&y", path, query));
    EXPECT_EQ(path, "/v1/models/a/b");
    EXPECT_EQ(query, "x=1&y");
    EXPECT_TRUE(split_target("HTTP://host:8000/v1/models?x=1", path, query));
    EXPECT_EQ(path, "/v1/models");
    EXPECT_EQ(query, "x=1");
    EXPECT_TRUE(split_target("http://host", path, query));
    EXPECT_EQ(path, "/");
    EXPECT_TRUE(split_target("https://host?x=1", path, query));
    EXPECT_EQ(path + query, "/x=1");
    for (const char* bad :
         {"", "a", "/%", "/%4", "/%zz", "/%00", "/%0a", "http://", "http:///v1", "ftp://x/", "http:/x"})
        EXPECT_FALSE(split_target(bad, path, query)) << bad;
}

TEST(Quotable, IsValidUtf8AndShort) {
    EXPECT_EQ(quotable("a\xff"
                       "b"),
              "a\xEF\xBF\xBD"
              "b");
    EXPECT_EQ(quotable("a\xE4\xB8\xAD", 2), "a...");
    EXPECT_EQ(quotable("\xE4\xB8\xAD"), "\xE4\xB8\xAD");
    EXPECT_EQ(quotable("abcdef", 3), "abc...");
}

}  // namespace
}  // namespace hone::serve
