// The registry of adapters: names, versions, and whose memory lives how long; and which version a request gets.
#include "serve/adapters.h"

#include <thread>

#include "tests/serve/service_fixture.h"
#include "tests/testing_adapter.h"

namespace hone::serve {
namespace {

using Weights = std::shared_ptr<const model::Adapter>;

using testing_models::make_adapter;

Result<Weights> load_nothing(const std::string& folder) {
    if (folder == "bad") return error("bad: is no adapter folder");
    return make_adapter(2);
}

TEST(Adapters, VersionsOfANameCountUpOverItsRemoval) {
    Adapters adapters("base", load_nothing);
    EXPECT_EQ(adapters.find("a"), nullptr);
    EXPECT_EQ((*adapters.publish("a", make_adapter()))->version, 1u);
    EXPECT_EQ((*adapters.publish("b", make_adapter()))->version, 1u);
    const auto loaded = adapters.load("a", "folder");
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ((*loaded)->version, 2u);
    EXPECT_EQ((*loaded)->source, "folder");
    EXPECT_EQ(adapters.find("a"), *loaded);
    EXPECT_TRUE(adapters.remove("a"));
    EXPECT_FALSE(adapters.remove("a"));
    EXPECT_EQ(adapters.find("a"), nullptr);
    ASSERT_EQ(adapters.list().size(), 1u);
    EXPECT_EQ((*adapters.publish("a", make_adapter()))->version, 3u);
    EXPECT_EQ(adapters.list()[0]->name, "a");
}

TEST(Adapters, AfterAFailureAllIsAsItWas) {
    Adapters adapters("base", load_nothing);
    const AdapterPtr first = adapters.publish("a", make_adapter()).value();
    EXPECT_FALSE(adapters.load("a", "bad").ok());
    EXPECT_EQ(adapters.find("a"), first);
    EXPECT_EQ((*adapters.publish("a", make_adapter()))->version, 2u);
    for (const std::string& name : {std::string("base"), std::string(), std::string("a\tb"), std::string(257, 'x')}) {
        EXPECT_FALSE(adapters.publish(name, make_adapter()).ok()) << name;
        EXPECT_FALSE(adapters.load(name, "folder").ok()) << name;
    }
    EXPECT_EQ(adapters.list().size(), 1u);
}

TEST(Adapters, AVersionsMemoryGoesWithItsLastHolder) {
    Adapters adapters("base", load_nothing);
    std::weak_ptr<const model::Adapter> first = adapters.publish("a", make_adapter()).value()->weights;
    AdapterPtr request = adapters.find("a");
    ASSERT_TRUE(adapters.publish("a", make_adapter()).ok());
    EXPECT_FALSE(first.expired());
    request = nullptr;
    EXPECT_TRUE(first.expired());
    std::weak_ptr<const model::Adapter> second = adapters.find("a")->weights;
    adapters.remove("a");
    EXPECT_TRUE(second.expired());
}

TEST(Adapters, AreReadWhileTheyArePublished) {
    Adapters adapters("base", load_nothing);
    constexpr uint64_t kVersions = 2000;
    ASSERT_TRUE(adapters.publish("a", make_adapter()).ok());
    const Weights weights = make_adapter();
    std::thread publisher([&] {
        for (uint64_t i = 2; i <= kVersions; i++) CHECK_EQ((*adapters.publish("a", weights))->version, i);
    });
    uint64_t last = 0;
    while (last < kVersions) {
        const AdapterPtr now = adapters.find("a");
        ASSERT_GE(now->version, last);
        last = now->version;
    }
    publisher.join();
}

struct Listener : AdapterFollower {
    void published(const AdapterPtr& version) override { heard.push_back(version->version); }
    std::vector<uint64_t> heard;
};

TEST(Adapters, FollowersHearOfTheirNameWhileTheyLive) {
    Adapters adapters("base", load_nothing);
    auto early = std::make_shared<Listener>(), late = std::make_shared<Listener>(),
         other = std::make_shared<Listener>();
    EXPECT_EQ(adapters.follow("a", early), nullptr);
    EXPECT_EQ(adapters.follow("b", other), nullptr);
    ASSERT_TRUE(adapters.publish("a", make_adapter(1)).ok());
    EXPECT_EQ(adapters.follow("a", late)->version, 1u);
    EXPECT_TRUE(adapters.load("a", "folder").ok());
    EXPECT_FALSE(adapters.load("a", "bad").ok());
    adapters.remove("a");
    early = nullptr;
    ASSERT_TRUE(adapters.publish("a", make_adapter(2)).ok());
    EXPECT_EQ(late->heard, (std::vector<uint64_t>{2, 3}));
    EXPECT_TRUE(other->heard.empty());
}

// Requests through the service, over a generator that keeps what it was given.
class AdapterRequests : public ServiceTest {
  protected:
    AdapterRequests() { adapters_ = &registry_; }
    std::shared_ptr<const model::Adapter> last_adapter() const { return generator_.requests().back().adapter; }
    Adapters registry_{"tiny", load_nothing};
};

TEST_F(AdapterRequests, GetTheVersionOfTheirTime) {
    const AdapterPtr first = registry_.publish("law", make_adapter(1)).value();
    start();
    const auto ask = [&](const char* body) { return post("/v1/completions", body); };
    const Answer law = ask(R"({"model": "law", "prompt": "abc"})");
    EXPECT_EQ(law.status, 200);
    EXPECT_EQ(at(law.json(), {"model"}), "law");
    EXPECT_EQ(at(law.json(), {"hone", "adapter", "version"}).to_number<int>(), 1);
    EXPECT_EQ(last_adapter(), first->weights);
    const AdapterPtr second = registry_.publish("law", make_adapter(2)).value();
    const Answer again = ask(R"({"model": "law", "prompt": "abc"})");
    EXPECT_EQ(last_adapter(), second->weights);
    EXPECT_NE(at(again.json(), {"system_fingerprint"}), at(law.json(), {"system_fingerprint"}));
    for (const char* body : {R"({"model": "tiny", "prompt": "abc"})", R"({"prompt": "abc"})"}) {
        EXPECT_EQ(at(ask(body).json(), {"model"}), "tiny");
        EXPECT_EQ(last_adapter(), nullptr);
    }
    EXPECT_EQ(ask(R"({"model": "LAW", "prompt": "abc"})").status, 404);
}

// The runs of a choice's tokens: "1x3 2x4".
std::string runs_of(const boost::json::value& choice) {
    std::string text;
    for (const auto& run : at(choice, {"hone", "adapter_versions"}).as_array()) {
        text += fmt::format("{}{}x{}", text.empty() ? "" : " ", at(run, {"version"}).to_number<int>(),
                            at(run, {"tokens"}).to_number<int>());
    }
    return text;
}

TEST_F(AdapterRequests, MoveWithTheirNameIfTheyFollow) {
    const AdapterPtr first = registry_.publish("law", make_adapter(1)).value();
    start();
    generator_.script("abc", 1, false);
    Call streamed, whole, keeps;
    const auto ask = [&](const char* more) {
        return request("POST", "/v1/completions",
                       fmt::format(R"({{"model": "law", "prompt": "x", "max_tokens": 7{}}})", more));
    };
    send(streamed, ask(R"(, "stream": true, "follow_adapter": true)"));
    send(whole, ask(R"(, "n": 2, "follow_adapter": true)"));
    send(keeps, ask(R"(, "stream": true, "follow_adapter": false)"));
    ASSERT_TRUE(eventually([&] { return generator_.told() == 4 * 3; }));
    const AdapterPtr second = registry_.publish("law", make_adapter(2)).value();
    ASSERT_TRUE(eventually([&] { return generator_.moved() == 3; }));
    generator_.continue_with("de");
    ASSERT_TRUE(eventually([&] { return generator_.told() == 4 * 5; }));
    registry_.remove("law");
    const AdapterPtr third = registry_.publish("law", make_adapter(3)).value();
    ASSERT_TRUE(eventually([&] { return generator_.moved() == 6; }));
    generator_.continue_with("fg");

    const auto fingerprint_of = [](const AdapterPtr& version) {
        return "hone-1.2.3-f32seq-" + version->weights->fingerprint();
    };
    const auto answer = whole.wait().json();
    EXPECT_EQ(runs_of(at(answer, {"choices", size_t{0}})), "1x3 2x2 3x2");
    EXPECT_EQ(runs_of(at(answer, {"choices", size_t{1}})), "1x3 2x2 3x2");
    EXPECT_EQ(at(answer, {"hone", "adapter", "version"}).to_number<int>(), 3);
    EXPECT_EQ(at(answer, {"system_fingerprint"}), boost::json::value(fingerprint_of(third)));
    const auto run = at(answer, {"choices", size_t{0}, "hone", "adapter_versions", size_t{1}});
    EXPECT_EQ(at(run, {"fingerprint"}), boost::json::value(second->weights->fingerprint()));

    const AdapterPtr versions[] = {first, first, first, second, second, third, third};
    auto events = streamed.wait().events();
    ASSERT_EQ(events.size(), 8u);
    for (size_t i = 0; i < 7; i++) {
        const auto chunk = boost::json::parse(events[i]);
        EXPECT_EQ(runs_of(at(chunk, {"choices", size_t{0}})), fmt::format("{}x1", versions[i]->version)) << i;
        EXPECT_EQ(at(chunk, {"system_fingerprint"}), boost::json::value(fingerprint_of(versions[i]))) << i;
    }
    EXPECT_EQ(at(boost::json::parse(events[0]), {"hone", "adapter", "version"}).to_number<int>(), 1);
    events = keeps.wait().events();
    const auto last = boost::json::parse(events[events.size() - 2]);
    EXPECT_EQ(at(last, {"system_fingerprint"}), boost::json::value(fingerprint_of(first)));
    EXPECT_FALSE(at(last, {"choices", size_t{0}}).as_object().contains("hone"));
}

// Tokens whose text waits for more are told with the chunk that has it, under the versions that computed them.
TEST_F(AdapterRequests, TellTheVersionsOfTokensThatWereHeldBack) {
    ASSERT_TRUE(registry_.publish("law", make_adapter(1)).ok());
    start();
    generator_.script("a!", 1, false);
    Call call;
    send(call, request("POST", "/v1/completions", R"({"model": "law", "prompt": "x", "max_tokens": 4, "stream": true,
                                                      "follow_adapter": true, "stop": "!!!!"})"));
    (void)call.wait(R"("text":"a")");
    ASSERT_TRUE(eventually([&] { return generator_.told() == 2; }));
    ASSERT_TRUE(registry_.publish("law", make_adapter(2)).ok());
    ASSERT_TRUE(eventually([&] { return generator_.moved() == 1; }));
    generator_.continue_with("bc");
    const auto events = call.wait().events();
    ASSERT_EQ(events.size(), 4u);
    EXPECT_EQ(runs_of(at(boost::json::parse(events[1]), {"choices", size_t{0}})), "1x1 2x1");
    EXPECT_EQ(runs_of(at(boost::json::parse(events[2]), {"choices", size_t{0}})), "2x1");
}

TEST_F(AdapterRequests, CannotFollowTheModelItself) {
    start();
    for (const char* path : {"/v1/completions", "/v1/chat/completions"}) {
        const Answer answer = post(path, R"({"prompt": "abc", "messages": [{"role": "user", "content": "hi"}],
                                             "follow_adapter": true})");
        EXPECT_EQ(answer.status, 400);
        EXPECT_EQ(at(answer.json(), {"error", "param"}), "follow_adapter");
    }
}

}  // namespace
}  // namespace hone::serve
