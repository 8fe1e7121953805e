// What viewers are told: the JSON of steps, rates, gaps, and what is left out.
#include "serve/step_view.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace hone::serve {
namespace {

namespace json = boost::json;
using engine::StepPart;
using engine::StepTap;

class StepViewTest : public ::testing::Test {
  protected:
    json::object event(double now) {
        const StepView::Event told = view_.next(batch_, metrics_, facts_, now);
        steps_ = told.steps, dropped_ = told.dropped, is_news_ = told.is_news;
        batch_ = {};
        return json::parse("{" + told.fields + "}").as_object();
    }
    void add_step(double begin, double seconds, std::vector<StepPart> parts, double guest_seconds = 0) {
        batch_.steps.push_back({begin, seconds, guest_seconds, static_cast<int32_t>(parts.size())});
        batch_.parts.insert(batch_.parts.end(), parts.begin(), parts.end());
    }

    StepView view_{100};
    StepTap::Batch batch_;
    engine::EngineMetrics metrics_;
    engine::EngineFacts facts_{.layers = 4};
    uint64_t steps_ = 0, dropped_ = 0;
    bool is_news_ = false;
};

TEST_F(StepViewTest, TellsEveryFieldOfAStep) {
    view_.begin(metrics_, 101);
    metrics_.running = 2, metrics_.waiting = 3, metrics_.pages_in_use = 5, metrics_.cached_tokens = 64;
    add_step(101.25, 0.0125,
             {{.sequence = 9,
               .first_token = 70,
               .tokens = 1,
               .first_layer = 0,
               .end_layer = 4,
               .decodes = true,
               .emits = true},
              {.sequence = 11, .first_token = 512, .tokens = 256, .first_layer = 1, .end_layer = 3}},
             0.004);
    const json::object told = event(101.5);
    EXPECT_EQ(
        json::serialize(told.at("steps")),
        R"([{"t_ms":1.25E3,"ms":1.25E1,"sequences":[)"
        R"({"id":9,"kind":"decode","tokens":1,"first":70,"layers":[0,4],"emits":true},)"
        R"({"id":11,"kind":"prefill","tokens":256,"first":512,"layers":[1,3],"emits":false}],"training_ms":4E0}])");
    EXPECT_EQ(told.at("now_ms"), json::value(1500.0));
    EXPECT_EQ(told.at("streams"), json::value(2));
    EXPECT_EQ(told.at("waiting"), json::value(3));
    EXPECT_EQ(told.at("pages_used"), json::value(5));
    EXPECT_EQ(told.at("prefix_hit_tokens"), json::value(64));
    EXPECT_TRUE(told.at("gap_p50_ms").is_null());
    EXPECT_EQ(steps_, 1u);
    EXPECT_TRUE(is_news_);
}

TEST_F(StepViewTest, HasNothingNewWhereNothingHappens) {
    view_.begin(metrics_, 101);
    event(101.1);
    EXPECT_TRUE(is_news_);
    event(101.2);
    EXPECT_FALSE(is_news_);
    metrics_.waiting = 1;
    event(101.3);
    EXPECT_TRUE(is_news_);
}

TEST_F(StepViewTest, RatesAreOfTheLastSecond) {
    view_.begin(metrics_, 0);
    for (int tenth = 1; tenth <= 50; ++tenth) {
        metrics_.generated_tokens += 3;
        metrics_.prefill.row_layers += 40;
        event(tenth / 10.0);
    }
    json::object told = event(5.0);
    EXPECT_NEAR(told.at("tokens_per_second").to_number<double>(), 30, 3);
    EXPECT_NEAR(told.at("prompt_tokens_per_second").to_number<double>(), 100, 10);
    for (int tenth = 1; tenth <= 12; ++tenth) told = event(5 + tenth / 10.0);
    EXPECT_EQ(told.at("tokens_per_second").to_number<double>(), 0);
}

TEST_F(StepViewTest, GapsAreBetweenASequencesTokens) {
    view_.begin(metrics_, 0);
    const auto token_of = [](uint64_t sequence) {
        return StepPart{.sequence = sequence, .tokens = 1, .end_layer = 4, .decodes = true, .emits = true};
    };
    StepPart silent = token_of(1);
    silent.emits = false;
    for (int i = 0; i < 100; ++i) {
        add_step(i * 0.02, 0.01, {token_of(1), token_of(2)});
        add_step(i * 0.02 + 0.01, 0.01, {silent});
    }
    add_step(2.5, 0.01, {token_of(1)});
    json::object told = event(2.6);
    EXPECT_NEAR(told.at("gap_p50_ms").to_number<double>(), 20, 1e-6);
    EXPECT_NEAR(told.at("gap_p99_ms").to_number<double>(), 20, 1e-6);
    for (int i = 0; i < 3; ++i) add_step(3.1 + 0.6 * i, 0.01, {token_of(1)});
    told = event(5);
    EXPECT_NEAR(told.at("gap_p99_ms").to_number<double>(), 600, 1e-6);
    told = event(20);
    EXPECT_TRUE(told.at("gap_p99_ms").is_null()) << "those of ten seconds ago do not count";
}

TEST_F(StepViewTest, TellsNoGapAcrossWhatWasLeftOut) {
    view_.begin(metrics_, 0);
    const auto token_of = [](uint64_t sequence) {
        return StepPart{.sequence = sequence, .tokens = 1, .end_layer = 4, .decodes = true, .emits = true};
    };
    add_step(1, 0.01, {token_of(1)});
    event(1.05);
    add_step(1.1, 0.01, {token_of(1)});
    batch_.dropped = 1;
    EXPECT_TRUE(event(1.15).at("gap_p99_ms").is_null());
    add_step(1.2, 0.01, {token_of(1)});
    EXPECT_TRUE(event(1.25).at("gap_p99_ms").is_null()) << "the one before was among those of which some are missing";
    add_step(1.22, 0.01, {token_of(1)});
    EXPECT_NEAR(event(1.25).at("gap_p99_ms").to_number<double>(), 20, 1e-6);

    // A step with as many parts as are told may have had others.
    std::vector<StepPart> full;
    for (uint64_t i = 0; i < StepTap::kMostParts; ++i) full.push_back(token_of(10 + i));
    event(15);  // the gaps from before are forgotten
    add_step(15, 0.01, {token_of(5), token_of(10)});
    add_step(15.02, 0.01, full);
    add_step(15.04, 0.01, {token_of(5), token_of(10)});
    EXPECT_NEAR(event(15.1).at("gap_p99_ms").to_number<double>(), 20, 1e-6);
}

TEST_F(StepViewTest, LeavesOutTheOldestOfTooManySteps) {
    view_.begin(metrics_, 0);
    for (size_t i = 0; i < StepView::kMostSteps + 6; ++i)
        add_step(static_cast<double>(i), 0.5, {StepPart{.sequence = i}});
    batch_.dropped = 4;
    json::object told = event(80);
    EXPECT_EQ(steps_, StepView::kMostSteps);
    EXPECT_EQ(dropped_, 10u);
    const json::array& steps = told.at("steps").as_array();
    EXPECT_EQ(steps.size(), StepView::kMostSteps);
    EXPECT_EQ(steps.front().at("sequences").at(0).at("id"), json::value(6));
    EXPECT_EQ(steps.back().at("sequences").at(0).at("id"), json::value(StepView::kMostSteps + 5));

    for (int i = 0; i < 20; ++i) add_step(100 + i, 0.5, std::vector<StepPart>(StepTap::kMostParts));
    told = event(130);
    EXPECT_EQ(steps_, StepView::kMostParts / StepTap::kMostParts);
    EXPECT_EQ(dropped_, 20 - steps_);
}

TEST_F(StepViewTest, TheTargetIsWhatTheOwnerSetOrTheStepsHave) {
    facts_.token_gap = {.milliseconds = 80};
    EXPECT_EQ(gap_target_ms(facts_, metrics_), 80);
    facts_.token_gap = {.factor_percent = 200};
    EXPECT_EQ(gap_target_ms(facts_, metrics_), std::nullopt) << "no step has told yet";
    metrics_.prefill.budget_seconds = 0.05;
    EXPECT_EQ(gap_target_ms(facts_, metrics_), 50);
    facts_.token_gap = {.factor_percent = 0};
    EXPECT_EQ(gap_target_ms(facts_, metrics_), std::nullopt);
    facts_.token_gap = {.milliseconds = 80};
    facts_.prefill = engine::PrefillPolicy::chunked;
    EXPECT_EQ(gap_target_ms(facts_, metrics_), std::nullopt);
}

}  // namespace
}  // namespace hone::serve
