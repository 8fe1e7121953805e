// What the routes refuse or bound: room, memory, slow readers, one request's claim on what others need.
#include "tests/serve/service_fixture.h"

namespace hone::serve {
namespace {

namespace json = boost::json;

TEST_F(ServiceTest, RefusesWhenFullOrDraining) {
    start({.max_streams = 2, .max_waiting = 1});
    generator_.script("hello", 1, false);
    Call held;
    send(held, request("POST", "/v1/completions", R"({"prompt":"a","n":3,"max_tokens":100})"));
    EXPECT_TRUE(eventually([&] { return generator_.metrics().running == 3; }));
    const Answer full = post("/v1/chat/completions", "no json: it is refused before it is read");
    EXPECT_EQ(full.status, 429);
    EXPECT_EQ(at(full.json(), {"error", "code"}), json::value("overloaded"));
    EXPECT_EQ(full.headers, (HeaderList{{"Retry-After", "2"}}));
    EXPECT_EQ(ask(request("GET", "/health")).status, 200);
    held.go_away();
    generator_.script("hello");
    EXPECT_TRUE(eventually([&] { return post("/v1/completions", R"({"prompt":"a"})").status == 200; }));
    EXPECT_NE(ask(request("GET", "/metrics")).body.find("hone_requests_refused_total{reason=\"overloaded\"}"),
              std::string::npos);
    service_->begin_drain();
    EXPECT_EQ(ask(request("GET", "/health")).status, 503);
    EXPECT_EQ(post("/v1/completions", R"({"prompt":"a"})").status, 503);
}

TEST_F(ServiceTest, CountsTheSequencesOfARequest) {
    start({.max_streams = 4, .max_waiting = 4});
    generator_.script("hello", 1, false);
    Call held;
    send(held, request("POST", "/v1/completions", R"({"prompt":["a","b"],"n":2,"max_tokens":100})"));
    ASSERT_TRUE(eventually([&] { return generator_.metrics().running == 4; }));
    for (const char* body : {R"({"prompt":["a","b","c"],"n":3})", R"({"prompt":"a","n":100})"}) {
        const Answer never = post("/v1/completions", body);
        EXPECT_EQ(never.status, 400);
        EXPECT_EQ(at(never.json(), {"error", "param"}), json::value("n"));
    }
    const std::string five = R"({"messages":[{"role":"user","content":"a"}],"n":5,"max_tokens":2})";
    const Answer later = post("/v1/chat/completions", five);
    EXPECT_EQ(later.status, 429);
    EXPECT_EQ(at(later.json(), {"error", "code"}), json::value("overloaded"));
    EXPECT_NE(ask(request("GET", "/metrics")).body.find("hone_requests_refused_total{reason=\"overloaded\"} 1"),
              std::string::npos);
    held.go_away();
    EXPECT_TRUE(eventually([&] { return post("/v1/chat/completions", five).status == 200; }));
}

TEST_F(ServiceTest, TokenizingNeedsAPlaceToo) {
    start({.max_streams = 1, .max_waiting = 0});
    generator_.script("hello", 1, false);
    Call held;
    send(held, request("POST", "/v1/completions", R"({"prompt":"a","max_tokens":100})"));
    EXPECT_EQ(post("/tokenize", R"({"prompt":"a"})").status, 429);
    EXPECT_EQ(post("/detokenize", R"({"tokens":[5]})").status, 429);
    held.go_away();
    EXPECT_TRUE(eventually([&] { return post("/tokenize", R"({"prompt":"a"})").status == 200; }));
    EXPECT_TRUE(eventually([&] { return post("/detokenize", R"({"tokens":[5]})").status == 200; }));
}

TEST_F(ServiceTest, TokenizingHasALimit) {
    start();
    const auto tokenize = [&](size_t bytes) {
        return post("/tokenize",
                    fmt::format(R"({{"prompt":"{}","add_special_tokens":false}})", std::string(bytes, 'a')));
    };
    constexpr size_t kMost = 1 << 18;
    EXPECT_EQ(tokenize(kMost).status, 200);
    const Answer large = tokenize(kMost + 1);
    EXPECT_EQ(large.status, 413);
    EXPECT_EQ(at(large.json(), {"error", "param"}), json::value("prompt"));
    std::string ids = "5";
    for (size_t i = 0; i < kMost; ++i) ids += ",5";
    const Answer many = post("/detokenize", fmt::format(R"({{"tokens":[{}]}})", ids));
    EXPECT_EQ(many.status, 413);
    EXPECT_EQ(at(many.json(), {"error", "param"}), json::value("tokens"));
}

// Before a request runs, what is wrong with it is the client's to mend; a full queue is not, and passes.
TEST_F(ServiceTest, TellsTheRequestsFaultFromWantOfRoom) {
    start();
    for (const bool stream : {false, true}) {
        const std::string body = fmt::format(R"({{"prompt":"a","n":2,"stream":{}}})", stream);
        generator_.refuse("the queue is full");
        const Answer full = post("/v1/completions", body);
        EXPECT_EQ(full.status, 429);
        EXPECT_EQ(at(full.json(), {"error", "type"}), json::value("rate_limit_error"));
        ASSERT_EQ(full.headers.size(), 1u);
        EXPECT_EQ(full.headers[0].first, "Retry-After");
        generator_.find_fault("this sampling is impossible");
        const Answer wrong = post("/v1/completions", body);
        EXPECT_EQ(wrong.status, 400);
        EXPECT_EQ(at(wrong.json(), {"error", "type"}), json::value("invalid_request_error"));
        generator_.find_fault("");
    }
}

TEST_F(ServiceTest, RefusesAnswersThatWouldNotFitIntoMemory) {
    start();
    std::string prompt = "[5";
    for (int i = 1; i < 900; ++i) prompt += ",5";
    const auto ask_for = [&](std::string_view fields) {
        return post("/v1/completions", fmt::format(R"({{"prompt":{}],{}}})", prompt, fields));
    };
    const Answer scored = ask_for(R"("n":128,"prompt_logprobs":20,"max_tokens":1)");
    ASSERT_EQ(scored.status, 400) << scored.body.substr(0, 1000);
    EXPECT_EQ(at(scored.json(), {"error", "param"}), json::value("prompt_logprobs"));
    const Answer echoed = ask_for(R"("n":128,"logprobs":20,"echo":true,"max_tokens":1,"stream":true)");
    ASSERT_EQ(echoed.status, 400);
    EXPECT_EQ(at(echoed.json(), {"error", "param"}), json::value("logprobs"));
    EXPECT_EQ(ask_for(R"("n":2,"prompt_logprobs":20,"max_tokens":1)").status, 200);
}

// The prompt's part of a stream is as large as the prompt, however fast the client reads.
TEST_F(ServiceTest, AnEchoedPromptDoesNotCountAsSlowReading) {
    start();
    Call call(20000);
    send(call, request("POST", "/v1/completions",
                       fmt::format(R"({{"prompt":"{}","n":4,"echo":true,"logprobs":20,"stream":true}})",
                                   std::string(300, 'p'))));
    ASSERT_TRUE(eventually([&] { return generator_.requests().size() == 4 && generator_.metrics().running == 0; }));
    const auto events = call.wait().events();
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back(), "[DONE]");
}

TEST_F(ServiceTest, PausesChoicesWhileTheirClientDoesNotRead) {
    start();
    generator_.script("some text", 1, false);
    Call call(300000), other;
    send(call, request("POST", "/v1/completions", R"({"prompt":"a","n":3,"max_tokens":900,"stream":true})"));
    send(other, request("POST", "/v1/completions", R"({"prompt":"a","max_tokens":900,"stream":true})"));
    ASSERT_TRUE(eventually([&] { return generator_.metrics().running == 4; }));
    EXPECT_EQ(generator_.paused(), 0u);
    for (const std::string last : {"1", "2"}) {
        generator_.continue_with(std::string(200, 'y') + last);
        EXPECT_TRUE(eventually([&] { return generator_.paused() == 3; }));
        other.wait(R"("text":")" + last);
        call.wait(R"("text":")" + last);
        EXPECT_TRUE(eventually([&] { return generator_.paused() == 0; }));
    }
    call.go_away();
    EXPECT_TRUE(eventually([&] { return generator_.cancellations() == 3; }));
}

// A worker that is busy with one request's answer must not hold up another's stream.
TEST_F(ServiceTest, RequestsDoNotWaitForOneAnothersAnswers) {
    start();
    generator_.hold_submission(byte_tokens("slow"));
    Call slow;
    send(slow, request("POST", "/v1/completions", R"({"prompt":"slow"})"));
    EXPECT_EQ(post("/v1/completions", R"({"prompt":"quick"})").status, 200);
    generator_.hold_submission({});
    EXPECT_EQ(slow.wait().status, 200);
}

// The limit of all bodies is about bodies: a long generation does not keep others' from being read.
TEST_F(ServiceTest, BodiesAreReleasedWhenTheyAreParsed) {
    start();
    generator_.script("hello", 1, false);
    Request asked = request("POST", "/v1/completions", R"({"prompt":"a","max_tokens":100})");
    const auto reservation = std::make_shared<int>(0);
    asked.reservation = reservation;
    Call call;
    send(call, std::move(asked));
    EXPECT_TRUE(eventually([&] { return generator_.metrics().running == 1 && reservation.use_count() == 1; }));
    call.go_away();
}

}  // namespace
}  // namespace hone::serve
