// /v1/hone/events and /v1/hone/model over a scripted generator: who looks on, who does not read, who comes too late.
#include "serve/viewers.h"

#include "base/clock.h"
#include "serve/http/sse.h"
#include "tests/serve/service_fixture.h"

namespace hone::serve {
namespace {

namespace json = boost::json;

class ViewersTest : public ServiceTest {
  protected:
    void look_on(Call& call) { send(call, request("GET", "/v1/hone/events")); }
    void step(uint64_t sequence, size_t parts = 1) {
        const engine::StepPart part{.sequence = sequence, .tokens = 1, .end_layer = 4, .decodes = true, .emits = true};
        steps_.record({.begin = monotonic_seconds(), .seconds = 0.001}, std::vector(parts, part));
    }
    bool is_watched(bool watched) {
        return eventually([&] { return steps_.watched() == watched; });
    }
    // How many steps the events so far told of, and how many they said were left out.
    static std::pair<uint64_t, uint64_t> counts(std::string_view body) {
        uint64_t told = 0, dropped = 0;
        for (size_t at; (at = body.find("event: steps\ndata: ")) != std::string_view::npos;) {
            body.remove_prefix(at + 19);
            const json::value event = json::parse(body.substr(0, body.find('\n')));
            told += event.at("steps").as_array().size();
            dropped += event.at("dropped").to_number<uint64_t>();
        }
        return {told, dropped};
    }
};

TEST_F(ViewersTest, AreGreetedThenToldOfSteps) {
    start();
    EXPECT_FALSE(steps_.watched()) << "nobody looks on";
    Call call;
    look_on(call);
    const Answer& answer = call.wait("event: hello\n");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.content_type, kSseContentType);
    const size_t data = answer.body.find("data: ") + 6;
    const json::value hello = json::parse(answer.body.substr(data, answer.body.find('\n', data) - data));
    EXPECT_EQ(json::serialize(hello), R"({"version":"1.2.3","model":"tiny","layers":4,"threads":2,"pages":100,)"
                                      R"("page_tokens":64,"policy":"auto","gap_target_ms":null})");
    ASSERT_TRUE(is_watched(true));
    step(5);
    EXPECT_NE(call.wait("\"id\":5").body.find(R"("kind":"decode","tokens":1,"first":0,"layers":[0,4],"emits":true)"),
              std::string::npos);
    Call other;
    look_on(other);
    EXPECT_NE(other.wait("\"streams\":0").body.find("event: steps"), std::string::npos) << "also where nothing happens";
    call.go_away();
    other.go_away();
    EXPECT_TRUE(is_watched(false));
}

TEST_F(ViewersTest, WhoDoesNotReadMissesEventsAndIsToldHowMany) {
    start();
    Call reads, sleeps;
    look_on(reads);
    look_on(sleeps);
    ASSERT_TRUE(is_watched(true));
    uint64_t recorded = 0;
    std::pair<uint64_t, uint64_t> seen;
    for (int burst = 0; burst < 8; ++burst) {
        for (int i = 0; i < 60; ++i, ++recorded) step(recorded, 8);
        const std::string last = fmt::format("\"id\":{},", recorded - 1);
        seen = counts(reads.wait(last).body);
        ASSERT_EQ(seen.first + seen.second, recorded);
    }
    // What waits for the other is bounded; when it reads again it hears what it missed.
    const size_t waiting = sleeps.wait("event: steps").body.size();
    EXPECT_LT(waiting, size_t{128} << 10);
    step(recorded++);
    seen = counts(sleeps.wait(fmt::format("\"id\":{},", recorded - 1)).body);
    EXPECT_EQ(seen.first + seen.second, recorded);
    EXPECT_GT(seen.second, 0u);
}

TEST_F(ViewersTest, AreAtMostSixteen) {
    start();
    std::vector<std::unique_ptr<Call>> calls;
    for (size_t i = 0; i < Viewers::kMost; ++i) look_on(*calls.emplace_back(std::make_unique<Call>()));
    for (auto& call : calls) call->wait("hello");
    const Answer full = ask(request("GET", "/v1/hone/events"));
    EXPECT_EQ(full.status, 429);
    EXPECT_EQ(at(full.json(), {"error", "code"}), json::value("too_many_viewers"));
    calls.back()->go_away();
    Call next;
    look_on(next);
    EXPECT_EQ(next.wait("hello").status, 200);
}

TEST_F(ViewersTest, HearTheEndWhenTheServerDrains) {
    start();
    Call call;
    look_on(call);
    call.wait("hello");
    service_->begin_drain();
    EXPECT_TRUE(call.wait().complete);
    EXPECT_EQ(ask(request("GET", "/v1/hone/events")).status, 503);
    EXPECT_FALSE(steps_.watched());
}

TEST_F(ViewersTest, NeedAKeyAndGetHeadsAlone) {
    start({.api_keys = {"key"}});
    for (const char* path : {"/v1/hone/events", "/v1/hone/model"}) {
        EXPECT_EQ(ask(request("GET", path)).status, 401);
        EXPECT_EQ(ask(request("POST", path, "{}")).status, 405);
    }
    Request head = request("HEAD", "/v1/hone/events");
    head.headers.emplace_back("Authorization", "Bearer key");
    const Answer answer = ask(head);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.content_type, kSseContentType);
}

TEST_F(ViewersTest, TheModelIsDescribedOnce) {
    int asked = 0;
    describe_ = [&asked] {
        ++asked;
        return std::string(R"({"parameters":12,"tensors":[]})");
    };
    start();
    for (int i = 0; i < 2; ++i) {
        const Answer answer = ask(request("GET", "/v1/hone/model"));
        ASSERT_EQ(answer.status, 200);
        const json::value model = answer.json();
        EXPECT_EQ(at(model, {"parameters"}), json::value(12));
        EXPECT_EQ(at(model, {"name"}), json::value("tiny"));
        EXPECT_EQ(at(model, {"engine", "pages"}), json::value(100));
        EXPECT_EQ(at(model, {"tokenizer", "reads_text"}), json::value(true));
    }
    EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace hone::serve
