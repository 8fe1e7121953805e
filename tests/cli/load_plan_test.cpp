#include "cli/bench/load/load_plan.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "cli/bench/load/load_summary.h"
#include "cli/bench/load/server_address.h"

namespace hone::cli {
namespace {

LengthDistribution lengths(std::string_view text, LengthOf what = LengthOf::prompt) {
    auto parsed = LengthDistribution::parse(text, what);
    EXPECT_TRUE(parsed.ok()) << text;
    return *parsed;
}

std::vector<double> draws(const LengthDistribution& distribution, int count) {
    Random random(7);
    std::vector<double> out;
    for (int i = 0; i < count; i++) out.push_back(distribution.draw(random));
    return out;
}

TEST(Lengths, AreWhatTheTextSays) {
    for (const double length : draws(lengths("512"), 10)) EXPECT_EQ(length, 512);
    const auto uniform = draws(lengths("100-103"), 4000);
    for (const double length : {100, 101, 102, 103}) EXPECT_NEAR(std::ranges::count(uniform, length), 1000, 120);
    const LatencySpread log_normal = spread_over(draws(lengths("lognormal:1000,600"), 40000));
    EXPECT_NEAR(log_normal.mean, 1000, 40);
    EXPECT_NEAR(log_normal.p50, 600, 20);
    const LatencySpread exponential = spread_over(draws(lengths("exponential:400"), 40000));
    EXPECT_NEAR(exponential.mean, 400, 10);
    EXPECT_NEAR(exponential.p50, 400 * std::log(2), 10);
}

TEST(Lengths, OfPublishedWorkloadsHaveTheirMoments) {
    const LatencySpread prompts = spread_over(draws(lengths("sharegpt"), 40000));
    EXPECT_NEAR(prompts.mean, 2340, 40);
    EXPECT_NEAR(prompts.p50, 1730, 50);
    EXPECT_NEAR(prompts.p90, 5696, 100);
    EXPECT_NEAR(prompts.p99, 7433, 80);
    EXPECT_NEAR(lengths("sharegpt").mean(), 2340, 12);
    EXPECT_NEAR(spread_over(draws(lengths("sharegpt", LengthOf::output), 40000)).mean, 439, 10);
    EXPECT_NEAR(lengths("arxiv").mean(), 9200, 1);
    EXPECT_NEAR(spread_over(draws(lengths("arxiv"), 40000)).mean, 9200, 100);
    EXPECT_NEAR(lengths("arxiv", LengthOf::output).mean(), 193, 1);
}

TEST(Lengths, RefuseWhatIsNone) {
    for (const char* text : {"", "0", "-5", "10-", "20-10", "1.5", "nan", "lognormal:10", "lognormal:10,20", "1e99",
                             "exponential:10,20", "exponential:", "normal:3,2", "12x"})
        EXPECT_FALSE(LengthDistribution::parse(text, LengthOf::prompt).ok()) << text;
}

LoadOptions options() {
    return {.prompt = lengths("10-20"), .output = lengths("5"), .rate = 4, .vocabulary = 1000};
}

std::vector<double> gaps_at(double burstiness) {
    LoadOptions load = options();
    load.burstiness = burstiness;
    auto plan = *LoadPlan::create(load);
    std::vector<double> gaps;
    for (double last = plan.next().arrival; gaps.size() < 20000;) {
        const double arrival = plan.next().arrival;
        gaps.push_back(arrival - last);
        last = arrival;
    }
    return gaps;
}

TEST(Plan, ArrivesAtTheRateAsBurstyAsAsked) {
    for (const double burstiness : {0.25, 1.0, 16.0}) {
        const auto gaps = gaps_at(burstiness);
        double mean = 0, square = 0;
        for (const double gap : gaps) mean += gap / 20000, square += gap * gap / 20000;
        EXPECT_NEAR(mean, 0.25, 0.02) << burstiness;
        EXPECT_NEAR((square - mean * mean) / (mean * mean), 1 / burstiness, 0.1 / burstiness) << burstiness;
    }
    LoadOptions at_once = options();
    at_once.rate = INFINITY;
    auto plan = *LoadPlan::create(at_once);
    for (int i = 0; i < 10; i++) EXPECT_EQ(plan.next().arrival, 0);
}

TEST(Plan, IsAFunctionOfItsSeedAndTheRateChangesNoPrompt) {
    LoadOptions fast = options(), other = options();
    fast.rate = 100;
    other.seed = 2;
    auto a = *LoadPlan::create(options()), b = *LoadPlan::create(fast), c = *LoadPlan::create(other);
    int differing = 0;
    for (int i = 0; i < 20; i++) {
        const auto x = a.next(), y = b.next(), z = c.next();
        EXPECT_EQ(a.tokens(x), b.tokens(y));
        EXPECT_EQ(std::ssize(a.tokens(x)), x.prompt_tokens);
        differing += a.tokens(x) != c.tokens(z);
    }
    EXPECT_EQ(differing, 20);
}

TEST(Plan, TakesTokensOfTheVocabularyButTheLowest) {
    auto plan = *LoadPlan::create(options());
    for (int i = 0; i < 200; i++) {
        for (const int32_t token : plan.tokens(plan.next())) {
            EXPECT_GE(token, 250);
            EXPECT_LT(token, 1000);
        }
    }
}

TEST(Plan, SharesBeginnings) {
    LoadOptions load = options();
    load.prefixes = 3;
    load.prefix_tokens = 40;
    auto plan = *LoadPlan::create(load);
    std::map<int32_t, std::vector<int32_t>> beginnings;
    for (int i = 0; i < 60; i++) {
        const auto request = plan.next();
        EXPECT_GE(request.prompt_tokens, 50);
        EXPECT_LE(request.prompt_tokens, 60);
        auto tokens = plan.tokens(request);
        ASSERT_EQ(std::ssize(tokens), request.prompt_tokens);
        tokens.resize(40);
        EXPECT_EQ(beginnings.emplace(request.prefix, tokens).first->second, tokens);
    }
    EXPECT_EQ(beginnings.size(), 3u);
    EXPECT_NE(beginnings[0], beginnings[1]);
    load.prefix_tokens = 0;
    EXPECT_FALSE(LoadPlan::create(load).ok());
}

TEST(Plan, KeepsToTheContext) {
    LoadOptions load = options();
    load.context = 20;
    auto plan = *LoadPlan::create(load);
    for (int i = 0; i < 100; i++) EXPECT_LE(plan.next().prompt_tokens, 15);
    load.context = 14;
    const auto impossible = LoadPlan::create(load);
    ASSERT_FALSE(impossible.ok());
    EXPECT_NE(impossible.error().message.find("14"), std::string::npos);
}

TEST(Plan, WritesAWordAToken) {
    auto plan = *LoadPlan::create(options());
    const auto request = plan.next();
    const std::string text = plan.text(request);
    EXPECT_EQ(std::ranges::count(text, ' ') + 1, request.prompt_tokens);
}

TEST(ServerUrl, IsAHostAndAPort) {
    const auto address = parse_server_url("http://example.org:8080/v1/");
    ASSERT_TRUE(address.ok());
    EXPECT_EQ(address->host, "example.org");
    EXPECT_EQ(address->port, 8080);
    EXPECT_EQ(parse_server_url("http://[::1]:9")->url(), "http://[::1]:9");
    EXPECT_EQ(parse_server_url("http://localhost")->port, 80);
    EXPECT_EQ(parse_server_url("http://10.0.0.1:1/")->url(), "http://10.0.0.1:1");
}

TEST(ServerUrl, RefusesTheRestAndSaysWhy) {
    EXPECT_NE(parse_server_url("https://a:1").error().message.find("https"), std::string::npos);
    for (const char* url : {"a:1", "http://", "http://:1", "http://a:0", "http://a:70000", "http://a:1x", "http://[::1",
                            "http://a:1/v2", "http://u@a:1", "http://[::1]9", "ftp://a"})
        EXPECT_FALSE(parse_server_url(url).ok()) << url;
}

}  // namespace
}  // namespace hone::cli
