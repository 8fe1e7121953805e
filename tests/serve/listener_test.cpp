// The HTTP server over loopback: framing, limits of heads and bodies, streams.
#include "serve/http/listener.h"

#include "tests/serve/listener_fixture.h"

namespace hone::serve {
namespace {

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

TEST_F(ListenerTest, SaysWhyItCannotListen) {
    start();
    const auto second = Listener::bind({.port = listener_->port()});
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().message.find(std::to_string(listener_->port())), std::string::npos)
        << second.error().message;
    EXPECT_FALSE(Listener::bind({.host = "no.such.host.invalid"}).ok());
}

}  // namespace
}  // namespace hone::serve
