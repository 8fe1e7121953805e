// The registry of adapters: names, versions, and whose memory lives how long; and which version a request gets.
#include "serve/adapters.h"

#include <thread>

#include "base/thread_pool.h"
#include "tests/serve/service_fixture.h"

namespace hone::serve {
namespace {

using Weights = std::shared_ptr<const model::Adapter>;

// An adapter whose factors are all `value`; of a matrix that nobody computes with.
Weights make_weights(float value = 1) {
    static const std::byte matrix{};
    ThreadPool pool(1);
    const std::vector<float> a(8, value), b(8, value);
    const model::AdaptedMatrix changed{
        .name = "m", .base = {math::WeightFormat::bf16, 8, 8, &matrix}, .rank = 1, .a = a, .b = b};
    return model::Adapter::pack({&changed, 1}, pool).value();
}

Result<Weights> load_nothing(const std::string& folder) {
    if (folder == "bad") return error("bad: is no adapter folder");
    return make_weights(2);
}

TEST(Adapters, VersionsOfANameCountUpOverItsRemoval) {
    Adapters adapters("base", load_nothing);
    EXPECT_EQ(adapters.find("a"), nullptr);
    EXPECT_EQ((*adapters.publish("a", make_weights()))->version, 1u);
    EXPECT_EQ((*adapters.publish("b", make_weights()))->version, 1u);
    const auto loaded = adapters.load("a", "folder");
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ((*loaded)->version, 2u);
    EXPECT_EQ((*loaded)->source, "folder");
    EXPECT_EQ(adapters.find("a"), *loaded);
    EXPECT_TRUE(adapters.remove("a"));
    EXPECT_FALSE(adapters.remove("a"));
    EXPECT_EQ(adapters.find("a"), nullptr);
    ASSERT_EQ(adapters.list().size(), 1u);
    EXPECT_EQ((*adapters.publish("a", make_weights()))->version, 3u);
    EXPECT_EQ(adapters.list()[0]->name, "a");
}

TEST(Adapters, AfterAFailureAllIsAsItWas) {
    Adapters adapters("base", load_nothing);
    const AdapterPtr first = adapters.publish("a", make_weights()).value();
    EXPECT_FALSE(adapters.load("a", "bad").ok());
    EXPECT_EQ(adapters.find("a"), first);
    EXPECT_EQ((*adapters.publish("a", make_weights()))->version, 2u);
    for (const std::string& name : {std::string("base"), std::string(), std::string("a\tb"), std::string(257, 'x')}) {
        EXPECT_FALSE(adapters.publish(name, make_weights()).ok()) << name;
        EXPECT_FALSE(adapters.load(name, "folder").ok()) << name;
    }
    EXPECT_EQ(adapters.list().size(), 1u);
}

TEST(Adapters, AVersionsMemoryGoesWithItsLastHolder) {
    Adapters adapters("base", load_nothing);
    std::weak_ptr<const model::Adapter> first = adapters.publish("a", make_weights()).value()->weights;
    AdapterPtr request = adapters.find("a");
    ASSERT_TRUE(adapters.publish("a", make_weights()).ok());
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
    ASSERT_TRUE(adapters.publish("a", make_weights()).ok());
    const Weights weights = make_weights();
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

// Requests through the service, over a generator that keeps what it was given.
class AdapterRequests : public ServiceTest {
  protected:
    AdapterRequests() { adapters_ = &registry_; }
    std::shared_ptr<const model::Adapter> last_adapter() const { return generator_.requests().back().adapter; }
    Adapters registry_{"tiny", load_nothing};
};

TEST_F(AdapterRequests, GetTheVersionOfTheirTime) {
    const AdapterPtr first = registry_.publish("law", make_weights(1)).value();
    start();
    const auto ask = [&](const char* body) { return post("/v1/completions", body); };
    const Answer law = ask(R"({"model": "law", "prompt": "abc"})");
    EXPECT_EQ(law.status, 200);
    EXPECT_EQ(at(law.json(), {"model"}), "law");
    EXPECT_EQ(at(law.json(), {"hone", "adapter", "version"}).to_number<int>(), 1);
    EXPECT_EQ(last_adapter(), first->weights);
    const AdapterPtr second = registry_.publish("law", make_weights(2)).value();
    const Answer again = ask(R"({"model": "law", "prompt": "abc"})");
    EXPECT_EQ(last_adapter(), second->weights);
    EXPECT_NE(at(again.json(), {"system_fingerprint"}), at(law.json(), {"system_fingerprint"}));
    for (const char* body : {R"({"model": "tiny", "prompt": "abc"})", R"({"prompt": "abc"})"}) {
        EXPECT_EQ(at(ask(body).json(), {"model"}), "tiny");
        EXPECT_EQ(last_adapter(), nullptr);
    }
    EXPECT_EQ(ask(R"({"model": "LAW", "prompt": "abc"})").status, 404);
}

}  // namespace
}  // namespace hone::serve
