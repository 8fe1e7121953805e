// Requests that are given other weights while they wait, run, rest between layers or pause: every token is what its version
// says of the whole text before it.
#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/engine/loop_fixture.h"
#include "tests/testing_adapter.h"

namespace hone::engine {
namespace {

using Version = std::shared_ptr<const model::Adapter>;

class LoopAdapterTest : public LoopFixture {
  protected:
    LoopAdapterTest() : LoopFixture(300) {}

    // Prompts of different texts that begin alike.
    RequestId ask(size_t prompt, SamplingParams sampling, Version adapter = nullptr) {
        sampling.top_logprobs = 0;
        Request request = request_of(prompt, std::move(sampling));
        request.prompt.back() = 20 + static_cast<int32_t>(last_id % 50);
        request.adapter = std::move(adapter);
        prompts_[RequestId{last_id + 1}] = request.prompt;
        return add(std::move(request));
    }
    void step() {
        loop->step();
        loop->report();
    }
    std::vector<Version> versions_of(RequestId id) {
        std::vector<Version> versions;
        for (const RequestEvent& event : events[id])
            versions.resize(versions.size() + event.tokens.size(), event.adapter);
        return versions;
    }
    // Log-probabilities of a text's tokens after the first under a version, in a loop of their own.
    std::vector<TokenRecord> score(const std::vector<int32_t>& text, const Version& version) {
        Loop alone(model, testing_models::test_kernels(),
                   std::move(*PagePool::create(model.cache_spec().page_bytes, 64)),
                   {.limits = {.prefix_cache = false}, .policy = plan_chunked});
        Request request{.prompt = text, .sampling = {.max_tokens = 0, .prompt_logprobs = 0}, .adapter = version};
        request.sampling.seed = 1;
        std::vector<TokenRecord> records;
        alone.add({1}, std::move(request), [&](RequestEvent event) { records = std::move(event.prompt_logprobs); });
        while (!alone.idle()) alone.step();
        alone.report();
        return records;
    }
    // All that was told of a request that has ended is what its versions say.
    void expect_honest(RequestId id, int32_t max_tokens) {
        std::vector<int32_t> text = prompts_.at(id);
        const auto given = text.size();
        const auto tokens = records_of(id);
        const auto versions = versions_of(id);
        ASSERT_EQ(events[id].back().finish, FinishReason::length);
        ASSERT_EQ(std::ssize(tokens), max_tokens);
        for (const TokenRecord& record : tokens) text.push_back(record.token);
        std::map<Version, std::vector<TokenRecord>> said;
        for (const Version& version : versions) said.try_emplace(version, score(text, version));
        for (size_t i = 0; i < tokens.size(); i++) {
            EXPECT_EQ(tokens[i].raw_logprob, said[versions[i]][given - 1 + i].raw_logprob) << "token " << i;
        }
        const RequestEvent& first = events[id].front();
        for (size_t i = 0; i < first.prompt_logprobs.size(); i++) {
            EXPECT_EQ(first.prompt_logprobs[i].raw_logprob, said[first.adapter][i].raw_logprob) << "given " << i;
        }
        for (size_t i = 1; i < events[id].size(); i++) EXPECT_TRUE(events[id][i].prompt_logprobs.empty());
        EXPECT_EQ(loop->metrics().pages_in_use, 0);
    }

    const Version a_ = testing_models::make_adapter(1), b_ = testing_models::make_adapter(2);
    std::map<RequestId, std::vector<int32_t>> prompts_;
};

TEST_F(LoopAdapterTest, moves_at_any_step) {
    for (const bool prefix_cache : {true, false}) {
        for (const int32_t prompt_logprobs : {-1, 0}) {
            for (int at = 0; at < 24; at++) {
                // In pieces by groups of layers, so that rows rest between most steps.
                start(32, {.limits = {.token_budget = 20, .prefix_cache = prefix_cache}, .policy = plan_layered});
                const auto mover = ask(90, {.max_tokens = 8, .prompt_logprobs = prompt_logprobs}, a_);
                const auto keeper = ask(80, {.max_tokens = 8}, a_);
                int steps = 0;
                for (; !loop->idle(); steps++) {
                    if (steps == at) loop->set_adapter(mover, b_);
                    step();
                }
                expect_honest(mover, 8);
                expect_honest(keeper, 8);
                const auto versions = versions_of(mover);
                EXPECT_TRUE(std::ranges::is_sorted(versions, {}, [&](const Version& v) { return v == b_; }));
                EXPECT_TRUE(std::ranges::all_of(versions_of(keeper), [&](const Version& v) { return v == a_; }));
                if (at == 0) {
                    EXPECT_EQ(versions.front(), b_);
                } else if (at + 8 > steps) {
                    EXPECT_EQ(versions.front(), a_);
                }
                if (HasFailure()) FAIL() << "moved before step " << at;
            }
        }
    }
}

TEST_F(LoopAdapterTest, equal_weights_change_nothing) {
    start();
    const auto id = ask(70, {.max_tokens = 10}, a_), alone = ask(70, {.max_tokens = 10});
    for (int i = 0; i < 4; i++) step();
    const int64_t rows = model.rows;
    loop->set_adapter(id, testing_models::make_adapter(1));
    loop->set_adapter(alone, nullptr);
    loop->set_adapter({99}, b_);  // unknown
    step();
    EXPECT_EQ(model.rows - rows, 2 * model.spec().layers);
    run();
    expect_honest(id, 10);
    EXPECT_EQ(versions_of(id), std::vector<Version>(10, a_));
    EXPECT_EQ(versions_of(alone), std::vector<Version>(10));
    loop->set_adapter(id, b_);  // has ended
    EXPECT_TRUE(loop->idle());
}

TEST_F(LoopAdapterTest, a_paused_request_moves_too) {
    start();
    const auto id = ask(70, {.max_tokens = 10});
    for (int i = 0; i < 4; i++) step();
    loop->set_paused(id, true);
    loop->set_adapter(id, b_);
    EXPECT_TRUE(loop->idle());
    EXPECT_EQ(loop->metrics().pages_in_use, 0);
    loop->set_paused(id, false);
    run();
    expect_honest(id, 10);
    EXPECT_EQ(versions_of(id).back(), b_);
    EXPECT_EQ(loop->metrics().paused, 0);
}

// Who begins anew gets a token before it begins anew again.
TEST_F(LoopAdapterTest, gets_on_however_often_it_is_moved) {
    start(32, {.limits = {.token_budget = 20}, .policy = plan_layered});
    const auto id = ask(90, {.max_tokens = 6, .prompt_logprobs = 0}, a_);
    for (int steps = 0; !loop->idle(); steps++) {
        ASSERT_LT(steps, 1000) << "it never ends";
        loop->set_adapter(id, steps % 2 == 0 ? b_ : a_);
        step();
    }
    expect_honest(id, 6);
    const auto versions = versions_of(id);
    EXPECT_TRUE(std::ranges::find(versions, a_) != versions.end() && std::ranges::find(versions, b_) != versions.end());
}

// Sequences of one prompt compute it once for the new version; what the old one computed serves who stays with it.
TEST_F(LoopAdapterTest, a_group_computes_its_prompt_once) {
    start();
    std::vector<RequestId> group;
    for (int i = 0; i < 4; i++) {
        Request request = request_of(192, {.max_tokens = 12, .top_logprobs = 0});
        request.sampling.choice = i;
        request.adapter = a_;
        prompts_[RequestId{last_id + 1}] = request.prompt;
        group.push_back(add(std::move(request)));
    }
    while (records_of(group.back()).size() < 5) step();
    const int64_t rows = model.rows;
    for (const RequestId id : group) loop->set_adapter(id, b_);
    run();
    const int64_t own = 192 + 4 * 12;  // the prompt once, and tokens of each
    EXPECT_LE(model.rows - rows, own * model.spec().layers);
    for (const RequestId id : group) expect_honest(id, 12);

    Request stays = request_of(192, {.max_tokens = 1});
    stays.adapter = a_;
    const auto late = add(std::move(stays));
    run();
    EXPECT_EQ(events[late].front().cached_tokens, 191);
}

// A move before the first event: what is told of cached tokens and prompt log-probabilities is of the version that told it.
TEST_F(LoopAdapterTest, the_first_event_is_of_one_version) {
    start(32, {.limits = {.token_budget = 64}, .policy = plan_chunked});
    ask(128, {.max_tokens = 1}, a_);
    run();
    const auto id = ask(300, {.max_tokens = 4}, a_), scored = ask(200, {.max_tokens = 4, .prompt_logprobs = 0}, a_);
    step();
    step();
    loop->set_adapter(id, b_);
    loop->set_adapter(scored, b_);
    run();
    EXPECT_EQ(events[id].front().cached_tokens, 0);
    EXPECT_EQ(events[scored].front().prompt_logprobs.size(), 199u);
    EXPECT_EQ(events[scored].front().adapter, b_);
    expect_honest(id, 4);
    expect_honest(scored, 4);
}

// Crowded, so that sequences are preempted as well.
TEST_F(LoopAdapterTest, random_moves_are_honest) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        Random random(seed);
        start(12, {.limits = {.max_batch = 4, .token_budget = 50}});
        std::vector<RequestId> ids;
        for (int i = 0; i < 6; i++) {
            const SamplingParams sampling{.max_tokens = 40, .prompt_logprobs = i % 3 == 0 ? 0 : -1};
            ids.push_back(ask(60 + random.below(200), sampling, i % 2 == 0 ? a_ : nullptr));
        }
        const Version versions[] = {nullptr, a_, b_};
        while (!loop->idle()) {
            if (random.below(10) == 0) loop->set_adapter(ids[random.below(4)], versions[random.below(3)]);
            step();
        }
        for (const RequestId id : ids) expect_honest(id, 40);
        for (const RequestId id : {ids[4], ids[5]})
            EXPECT_EQ(versions_of(id), std::vector(40, versions_of(id).front()));
        if (HasFailure()) FAIL() << "seed " << seed;
    }
}

}  // namespace
}  // namespace hone::engine
