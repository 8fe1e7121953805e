#include "engine/loop.h"

#include <stdexcept>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/check_request.h"
#include "tests/engine/loop_fixture.h"

namespace hone::engine {
namespace {

class LoopTest : public LoopFixture {
  protected:
    LoopTest() : LoopFixture(200) {}

    void start(int32_t pages = 32, LoopOptions options = {}) { LoopFixture::start(pages, std::move(options)); }
    RequestId add(size_t prompt, SamplingParams sampling, double max_wait = 0) {
        Request request = request_of(prompt, std::move(sampling));
        request.max_wait = max_wait;
        return LoopFixture::add(std::move(request));
    }
    std::vector<TokenRecord> tokens_of(RequestId id) { return records_of(id); }
};

TEST_F(LoopTest, tells_tokens_as_they_come_and_ends_at_max_tokens) {
    start();
    const auto id = add(10, {.max_tokens = 5, .top_logprobs = 0});
    run();
    ASSERT_EQ(events[id].size(), 5u);
    for (const RequestEvent& event : events[id]) {
        EXPECT_EQ(event.tokens.size(), 1u);
        EXPECT_EQ(event.seed, 5u);
        EXPECT_LT(event.tokens[0].raw_logprob, 0);
    }
    EXPECT_EQ(events[id].back().finish, FinishReason::length);
    EXPECT_EQ(loop->metrics().pages_in_use, 0);
    EXPECT_EQ(loop->metrics().generated_tokens, 5u);
    EXPECT_EQ(loop->metrics().requests_finished, 1u);
}

TEST_F(LoopTest, a_stop_id_ends_the_request_and_is_told) {
    start();
    const auto free = add(10, {.temperature = 0, .max_tokens = 5});
    run();
    const int32_t third = tokens_of(free)[2].token;
    const auto stopped = add(10, {.temperature = 0, .stop_ids = {third}, .max_tokens = 5});
    run();
    EXPECT_EQ(tokens_of(stopped).size(), 3u);
    EXPECT_EQ(events[stopped].back().finish, FinishReason::stop);
    EXPECT_EQ(events[stopped].back().stop_token, third);
    EXPECT_EQ(tokens_of(free).size(), 5u);
}

TEST_F(LoopTest, scores_a_prompt_without_generating) {
    start(32, {.limits = {.token_budget = 30}});
    const auto scored = add(100, {.max_tokens = 0, .prompt_logprobs = 2});
    const auto both = add(100, {.max_tokens = 1, .prompt_logprobs = 2});
    const auto single = add(1, {.max_tokens = 0, .prompt_logprobs = 2});
    run();
    ASSERT_EQ(events[scored].size(), 1u);
    EXPECT_EQ(events[scored][0].finish, FinishReason::length);
    EXPECT_TRUE(events[scored][0].tokens.empty());
    ASSERT_EQ(events[scored][0].prompt_logprobs.size(), 99u);
    ASSERT_EQ(events[both][0].prompt_logprobs.size(), 99u);
    for (size_t i = 0; i < 99; i++) {
        const TokenRecord &a = events[scored][0].prompt_logprobs[i], &b = events[both][0].prompt_logprobs[i];
        EXPECT_EQ(a.token, 9);
        EXPECT_EQ(a.raw_logprob, b.raw_logprob);
        EXPECT_EQ(a.top.size(), 2u);
    }
    EXPECT_EQ(events[both][0].tokens.size(), 1u);
    EXPECT_TRUE(events[single][0].prompt_logprobs.empty());
    EXPECT_EQ(events[both][0].cached_tokens, 0);  // every row counts
}

TEST_F(LoopTest, a_repeated_prompt_is_found_in_the_cache) {
    start();
    const auto first = add(200, {.max_tokens = 2}), twin = add(200, {.max_tokens = 2});
    run();
    const auto later = add(200, {.max_tokens = 2});
    run();
    EXPECT_EQ(events[first][0].cached_tokens, 0);
    EXPECT_EQ(events[twin][0].cached_tokens, 199);
    EXPECT_EQ(events[later][0].cached_tokens, 199);
    EXPECT_EQ(events[later][1].cached_tokens, 0);  // told once
    EXPECT_EQ(tokens_of(first)[0].token, tokens_of(later)[0].token);
    EXPECT_EQ(loop->metrics().cached_tokens, 398u);
    EXPECT_EQ(loop->metrics().pages_cached, 4);
    EXPECT_EQ(model.rows, 3 * (200 + 1 + 1 + 3));
}

TEST_F(LoopTest, logits_that_are_not_numbers_end_only_their_request) {
    start();
    model.poison = 9;
    const auto bad = add(10, {.max_tokens = 5});
    Request good{.prompt = {1, 2, 3}, .sampling = {.logit_bias = {{9, -100.0f}}, .max_tokens = 5, .seed = 1}};
    const RequestId id{++last_id};
    loop->add(id, std::move(good), [&](RequestEvent event) { events[id].push_back(std::move(event)); });
    run();
    ASSERT_EQ(events[bad].size(), 1u);
    EXPECT_EQ(events[bad][0].finish, FinishReason::error);
    EXPECT_EQ(events[bad][0].message, "position 9: the model's logit of token 3 is nan");
    EXPECT_EQ(events[id].back().finish, FinishReason::length);
    EXPECT_EQ(tokens_of(id).size(), 5u);
    EXPECT_EQ(loop->metrics().pages_in_use, 0);
}

TEST_F(LoopTest, cancelling_frees_at_every_moment) {
    for (int steps = 0; steps < 10; steps++) {
        start(32, {.limits = {.token_budget = 40}, .policy = plan_layered});
        const auto id = add(90, {.max_tokens = 8, .prompt_logprobs = 0});
        for (int i = 0; i < steps; i++) {
            loop->step();
            loop->report();
        }
        loop->cancel(id);
        EXPECT_EQ(loop->schedule().pool.in_use(), 0);
        EXPECT_TRUE(loop->idle());
        loop->cancel(id);  // twice is once
        loop->report();
        loop->cancel(id);
        EXPECT_EQ(events[id].back().finish, FinishReason::cancelled);
        EXPECT_EQ(loop->held_tokens(), 0);
        EXPECT_EQ(loop->metrics().requests_cancelled, 1u);
    }
}

TEST_F(LoopTest, a_paused_request_keeps_its_pages_and_goes_on_with_the_same_tokens) {
    start();
    const auto alone = add(70, {.max_tokens = 20}), id = add(70, {.max_tokens = 20});
    for (int i = 0; i < 6; i++) {
        loop->step();
        loop->report();
    }
    const size_t before = tokens_of(id).size();
    loop->set_paused(id, true);
    loop->set_paused({99}, true);  // unknown
    EXPECT_EQ(loop->metrics().paused, 1);
    run();
    EXPECT_EQ(tokens_of(alone).size(), 20u);
    EXPECT_EQ(tokens_of(id).size(), before);
    EXPECT_EQ(loop->metrics().running, 1);
    EXPECT_EQ(loop->metrics().pages_in_use, 2);
    loop->set_paused(id, false);
    EXPECT_FALSE(loop->idle());
    run();
    EXPECT_EQ(loop->metrics().paused, 0);
    const auto expected = tokens_of(alone), got = tokens_of(id);
    ASSERT_EQ(got.size(), 20u);
    for (size_t i = 0; i < 20; i++) EXPECT_EQ(got[i].token, expected[i].token);

    const auto leaves = add(70, {.max_tokens = 20});
    loop->step();
    loop->set_paused(leaves, true);
    loop->cancel(leaves);
    loop->report();
    loop->set_paused(leaves, true);
    EXPECT_EQ(events[leaves].back().finish, FinishReason::cancelled);
    EXPECT_EQ(loop->metrics().paused + loop->metrics().pages_in_use, 0);
}

TEST_F(LoopTest, prompt_tokens_count_from_the_first_step_on) {
    start(32, {.limits = {.max_batch = 1, .token_budget = 10}});
    const auto first = add(25, {.max_tokens = 1});
    const auto waiting = add(70, {.max_tokens = 1});
    EXPECT_EQ(loop->metrics().prompt_tokens, 0u);
    loop->step();
    EXPECT_EQ(loop->metrics().prompt_tokens, 25u);
    loop->step();
    loop->cancel(waiting);  // no step had rows of it
    loop->cancel(first);
    loop->report();
    EXPECT_EQ(loop->metrics().requests_cancelled, 2u);
    EXPECT_EQ(loop->metrics().prompt_tokens, 25u);
}

TEST_F(LoopTest, requests_that_wait_too_long_end_before_they_begin) {
    start(32, {.limits = {.max_batch = 1}});
    const double now = monotonic_seconds();
    const auto runs = add(10, {.max_tokens = 20}, 5);
    const auto impatient = add(10, {.max_tokens = 5}, 5);
    const auto patient = add(10, {.max_tokens = 5});
    loop->step();
    loop->expire(now + 4);
    loop->report();
    EXPECT_TRUE(events[impatient].empty());
    loop->expire(now + 6);
    loop->report();
    ASSERT_EQ(events[impatient].size(), 1u);
    EXPECT_EQ(events[impatient][0].finish, FinishReason::expired);
    EXPECT_NE(events[impatient][0].message.find("waited 5 s"), std::string::npos);
    EXPECT_EQ(events[impatient][0].scheduled_at, 0);
    EXPECT_EQ(loop->metrics().requests_cancelled, 1u);
    EXPECT_EQ(loop->metrics().waiting, 1);
    run();
    EXPECT_EQ(tokens_of(runs).size(), 20u);
    EXPECT_EQ(tokens_of(patient).size(), 5u);
    EXPECT_GE(events[runs][0].scheduled_at, now);
    EXPECT_GT(events[patient][0].scheduled_at, events[runs][0].scheduled_at);
}

TEST_F(LoopTest, steps_are_counted_by_their_tokens) {
    start(32, {.limits = {.token_budget = 100}});
    add(117, {.max_tokens = 4});  // steps of 100, 17, 1, 1 and 1 tokens
    run();
    const StepSizes& sizes = loop->metrics().step_sizes;
    std::map<int32_t, uint64_t> up_to;
    for (size_t i = 0; i < StepSizes::kBounds.size(); i++)
        if (sizes.steps[i] > 0) up_to[StepSizes::kBounds[i]] = sizes.steps[i];
    EXPECT_EQ(up_to, (std::map<int32_t, uint64_t>{{1, 3}, {32, 1}, {128, 1}}));
    EXPECT_EQ(sizes.tokens, 120u);
}

TEST_F(LoopTest, a_request_that_ended_is_not_cancelled) {
    start();
    const auto id = add(5, {.max_tokens = 1});
    loop->step();
    loop->cancel(id);
    loop->report();
    ASSERT_EQ(events[id].size(), 1u);
    EXPECT_EQ(events[id][0].finish, FinishReason::length);
}

TEST_F(LoopTest, a_sink_that_throws_loses_its_request_only) {
    spdlog::set_level(spdlog::level::off);
    start();
    const RequestId bad{++last_id};
    auto alive = std::make_shared<int>();
    std::weak_ptr<int> watch = alive;
    loop->add(bad, {.prompt = {1}, .sampling = {.max_tokens = 50, .seed = 1}},
              [alive = std::move(alive)](RequestEvent) { throw std::runtime_error("no"); });
    const auto good = add(10, {.max_tokens = 5});
    run();
    EXPECT_TRUE(watch.expired());
    EXPECT_EQ(tokens_of(good).size(), 5u);
    EXPECT_EQ(loop->metrics().requests_cancelled, 1u);
    EXPECT_EQ(loop->metrics().pages_in_use, 0);
    spdlog::set_level(spdlog::level::info);
}

// Requests of the step that finds no memory end, at whatever layer; those that wait get the same as ever.
TEST_F(LoopTest, without_memory_for_a_step_its_requests_end) {
    spdlog::set_level(spdlog::level::off);
    for (const Policy& policy : {Policy(plan_chunked), Policy(plan_layered), Policy(plan_auto)}) {
        std::vector<TokenRecord> expected;
        int calls = 0, all_calls = 0;
        for (int failing = -1; failing < all_calls; failing++) {
            events.clear();
            start(32, {.limits = {.max_batch = 2, .token_budget = 600}, .policy = policy, .threads = 2});
            calls = 0;
            model.on_layer = [&](int32_t) {
                if (calls++ == failing) throw std::bad_alloc();
            };
            for (const size_t prompt : {600, 70, 70}) add(prompt, {.max_tokens = 8, .prompt_logprobs = 0});
            const auto last = add(600, {.max_tokens = 8});
            run();
            int failed = 0;
            for (const auto& [id, told] : events) {
                const bool ended_early = told.back().finish == FinishReason::error;
                failed += ended_early;
                EXPECT_EQ(ended_early, told.back().message.find("no memory") != std::string::npos);
                EXPECT_TRUE(ended_early || tokens_of(id).size() == 8u);
            }
            EXPECT_EQ(events.size(), 4u);
            const bool met = failing >= 0 && calls > failing;
            EXPECT_TRUE(met ? failed >= 1 && failed <= 2 : failed == 0) << failing << ": " << failed;
            if (failing < 0) expected = tokens_of(last), all_calls = calls;
            const auto got = tokens_of(last);
            for (size_t i = 0; i < got.size(); i++) EXPECT_EQ(got[i].raw_logprob, expected[i].raw_logprob);
            EXPECT_EQ(loop->metrics().pages_in_use, 0);
            EXPECT_EQ(loop->held_tokens(), 0);
        }
        EXPECT_GT(all_calls, 25);
    }
    model.on_layer = nullptr;
    spdlog::set_level(spdlog::level::info);
}

// Has no memory to say what is allowed, on whatever thread it is asked.
struct TextWithoutMemory final : ConstrainedText {
    Result<std::span<const uint64_t>> allowed() override { throw std::bad_alloc(); }
    Status accept(int32_t) override { return ok(); }
    bool ended() const override { return false; }
    Result<std::vector<int32_t>> forced() override { return std::vector<int32_t>(); }
};
struct ConstraintWithoutMemory final : TokenConstraint {
    std::unique_ptr<ConstrainedText> begin() const override { return std::make_unique<TextWithoutMemory>(); }
    int32_t vocabulary() const override { return 200; }
};

TEST_F(LoopTest, without_memory_to_sample_the_step_ends_too) {
    spdlog::set_level(spdlog::level::off);
    start(32, {.policy = plan_chunked, .threads = 2});
    const auto mate = add(10, {.max_tokens = 5});
    for (uint64_t i = 0; i < 4; i++) {
        Request request{.prompt = {1, 2, 3}, .sampling = {.max_tokens = 5, .seed = i}};
        request.constraint = std::make_shared<ConstraintWithoutMemory>();
        const RequestId id{++last_id};
        loop->add(id, std::move(request), [this, id](RequestEvent event) { events[id].push_back(std::move(event)); });
    }
    run();
    EXPECT_EQ(events.size(), 5u);
    EXPECT_EQ(events[mate].back().finish, FinishReason::error);
    EXPECT_EQ(loop->metrics().pages_in_use, 0);
    const auto next = add(10, {.max_tokens = 5});
    run();
    EXPECT_EQ(tokens_of(next).size(), 5u);
    spdlog::set_level(spdlog::level::info);
}

TEST_F(LoopTest, preempted_requests_go_on_where_they_were) {
    start(9);
    const auto a = add(250, {.max_tokens = 200, .prompt_logprobs = 0}),
               b = add(120, {.max_tokens = 200, .prompt_logprobs = 0});
    run();
    EXPECT_GT(loop->metrics().preemptions, 0u);
    EXPECT_EQ(tokens_of(a).size(), 200u);
    EXPECT_EQ(tokens_of(b).size(), 200u);
    EXPECT_EQ(events[b][0].prompt_logprobs.size(), 119u);
}

TEST(CheckRequest, names_what_is_wrong) {
    const auto message = [](Request request) { return check_request(request, 100, 50).error().message; };
    EXPECT_TRUE(check_request({.prompt = {1, 99}, .sampling = {.max_tokens = 48}}, 100, 50).ok());
    EXPECT_EQ(message({.prompt = {}, .sampling = {}}), "the prompt is empty; it needs at least one token");
    EXPECT_EQ(message({.prompt = {1, 100}, .sampling = {}}), "prompt token 1 is 100, outside the vocabulary of 100");
    EXPECT_EQ(message({.prompt = {-1}, .sampling = {}}), "prompt token 0 is -1, outside the vocabulary of 100");
    EXPECT_EQ(message({.prompt = {1, 2, 3}, .sampling = {.max_tokens = 48}}),
              "the prompt has 3 tokens and max_tokens is 48, but a request may have 50 in all");
    EXPECT_EQ(message({.prompt = {1}, .sampling = {.max_tokens = 2147483647}}),
              "the prompt has 1 tokens and max_tokens is 2147483647, but a request may have 50 in all");
    EXPECT_EQ(message({.prompt = {1}, .sampling = {.logit_bias = {{100, 1.0f}}}}),
              "logit_bias: token 100 is outside the vocabulary of 100");
    EXPECT_EQ(message({.prompt = {1}, .sampling = {.top_p = 2}}), "top_p is 2; it must be from 0 to 1");
}

}  // namespace
}  // namespace hone::engine
