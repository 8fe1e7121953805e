// The two-dimensional policy on a machine whose costs are simple: a row takes 1 us a layer, an expert 100 us.

#include <numeric>

#include <gtest/gtest.h>

#include "engine/schedule/time_budget.h"
#include "tests/engine/schedule_fixture.h"

namespace hone::engine {
namespace {

constexpr int32_t kLayers = 16;
constexpr int64_t kMicrosecond = 1'000'000;  // in picoseconds

class PlanAutoTest : public testing::Test {
  protected:
    PlanAutoTest() {
        std::vector<int32_t> routed(kLayers);
        std::iota(routed.begin(), routed.end(), 0);
        state.shape = ModelShape(kLayers, routed, 64, 8);
        state.costs = {.dense = {},
                       .routed = {.row = kMicrosecond, .expert = 100 * kMicrosecond},
                       .step = 0,
                       .logits = 0,
                       .late_permille = 1000,
                       .most_rows = 1 << 20};
    }
    SequenceId arrive(int32_t length, int64_t arrival_ns = 0) {
        SequenceState sequence = prompt_of({++last_id}, length);
        sequence.arrival_ns = arrival_ns;
        enqueue(state, std::move(sequence));
        return {last_id};
    }
    Plan step() { return take_step(state, plan_auto); }
    int64_t cost(const Plan& plan) const { return state.costs.of(state.shape, plan.segments); }

    PagePool pool = std::move(*PagePool::create(64, 400));
    PrefixTree tree{pool};
    ScheduleState state{.limits = {.layers = kLayers, .max_batch = 16, .token_budget = 1024, .prefix_cache = false},
                        .pool = pool,
                        .tree = tree,
                        .shape = {},
                        .costs = {},
                        .waiting = {},
                        .running = {},
                        .tenants = {}};
    uint64_t last_id = 0;
};

TEST_F(PlanAutoTest, alone_a_prompt_takes_the_whole_budget_through_all_layers) {
    const auto a = arrive(3000);
    const Plan plan = step();
    ASSERT_EQ(plan.segments.size(), 1u);
    EXPECT_EQ(plan.segments[0], (Segment{a, 0, 1024, 0, kLayers, true}));
    EXPECT_EQ(plan.budget_ps, 0);
}

TEST_F(PlanAutoTest, beside_decodes_every_step_stays_in_the_gap) {
    for (int i = 0; i < 4; i++) arrive(10);
    step();
    const int64_t undisturbed = cost(plan_auto(state));
    for (auto& [id, sequence] : state.running) sequence.issued = sequence.computed;  // planned only to look at
    const auto prompt = arrive(8000);
    int32_t steps = 0;
    for (; !state.running.contains(prompt) || !state.running.at(prompt).decoding; steps++) {
        const Plan plan = step();
        ASSERT_EQ(plan.segments.size(), 5u);
        ASSERT_LE(cost(plan), 2 * undisturbed);
    }
    // Through all layers, 6 rows a step would fit: their experts alone take most of the time. That is 1334 steps.
    EXPECT_LE(steps, 20);
}

TEST_F(PlanAutoTest, what_streams_take_alone_is_learnt_before_prompts_join_them) {
    arrive(10);
    step();
    state.costs.least_rows = 300;
    const auto prompt = arrive(8000);
    EXPECT_EQ(step().segments.back(), (Segment{prompt, 0, 1, 0, 1, true}));
    state.costs.least_rows = 1;
    EXPECT_GT(cost(step()), 2 * cost({.segments = {{prompt, 0, 1, 0, 1, true}}}));
}

TEST_F(PlanAutoTest, a_gap_in_milliseconds_is_the_budget) {
    arrive(10);
    step();
    state.limits.token_gap = {.milliseconds = 50};
    arrive(8000);
    const Plan plan = step();
    EXPECT_EQ(plan.budget_ps, 50'000 * kMicrosecond);
    EXPECT_LE(cost(plan), plan.budget_ps);
    EXPECT_GT(cost(plan), plan.budget_ps * 3 / 4);
}

TEST_F(PlanAutoTest, steps_that_come_late_leave_room) {
    arrive(10);
    step();
    state.limits.token_gap = {.milliseconds = 50};
    state.costs.late_permille = 1250;
    arrive(8000);
    const Plan plan = step();
    EXPECT_EQ(plan.budget_ps, 50'000 * kMicrosecond);
    EXPECT_LE(cost(plan), 40'000 * kMicrosecond);
}

TEST_F(PlanAutoTest, without_a_target_prompts_run_at_full_speed_beside_decodes) {
    const auto a = arrive(10);
    step();
    state.limits.token_gap = {.factor_percent = 0};
    const auto b = arrive(3000);
    EXPECT_EQ(step().segments, (std::vector<Segment>{{a, 10, 11, 0, kLayers}, {b, 0, 1024, 0, kLayers, true}}));
}

TEST_F(PlanAutoTest, a_target_that_cannot_be_met_still_lets_prompts_through) {
    arrive(10);
    step();
    state.limits.token_gap = {.milliseconds = 1};
    const auto prompt = arrive(200);
    for (int steps = 0; !state.running.contains(prompt) || !state.running.at(prompt).decoding; steps++) {
        step();
        ASSERT_LT(steps, 2000);
    }
}

TEST_F(PlanAutoTest, short_prompts_overtake_long_ones_until_those_are_due) {
    const auto longer = arrive(4000, 0);
    step();
    LayerWork work{.first_layer = 0, .end_layer = kLayers};
    work.add({longer, 1024, 4000});
    const int64_t due = state.costs.of(state.shape, work) / 1000;  // nanoseconds that the rest takes alone
    const auto quick = arrive(100, due / 10);
    const auto late = arrive(100, due * 2);
    const Plan plan = step();
    EXPECT_EQ(plan.segments[0].sequence, quick);
    EXPECT_EQ(plan.segments[1].sequence, longer);  // fills what is left of the budget
    EXPECT_EQ(plan.segments.size(), 2u);
    EXPECT_TRUE(state.running.contains(late));
}

TEST_F(PlanAutoTest, a_prompt_that_is_mostly_cached_counts_as_short) {
    state.limits.prefix_cache = true;
    state.limits.max_batch = 1;
    const auto turn = arrive(4000);
    const std::vector<int32_t> tokens = state.waiting.at(turn).tokens;
    for (int i = 0; i < 4; i++) step();
    remove_sequence(state, turn);
    const auto fresh = arrive(1000), next = arrive(10);
    state.waiting.at(next).tokens = tokens;
    auto node = state.waiting.extract(next);
    state.tenants.at(0).live--;
    enqueue(state, std::move(node.mapped()));
    EXPECT_EQ(step().segments[0].sequence, next);
    EXPECT_TRUE(state.waiting.contains(fresh));
}

// Rows of another prompt that will be long in coming are computed again.
TEST_F(PlanAutoTest, a_short_prompt_does_not_wait_for_a_long_one_with_the_same_beginning) {
    state.limits.prefix_cache = true;
    arrive(10);
    step();
    const auto longer = arrive(8000);
    for (int i = 0; i < 3; i++) step();
    ASSERT_TRUE(state.running.at(longer).resting());
    state.costs.routed.row = 100 * kMicrosecond;  // its rows turn out to be slow: 60 steps to go
    SequenceState sequence;
    sequence.id = {++last_id};
    sequence.tokens = state.running.at(longer).tokens;
    sequence.tokens.resize(kWorthWaiting + 1);
    for (int32_t i = 0; i < 130; i++) sequence.tokens.push_back(i);
    enqueue(state, std::move(sequence));
    for (int32_t steps = 0; !state.running.contains({last_id}) || !state.running.at({last_id}).decoding; steps++) {
        step();
        ASSERT_LT(steps, 45);
    }
    EXPECT_FALSE(state.running.at(longer).decoding);
}

// What an urgent prompt waits for is as urgent.
TEST_F(PlanAutoTest, rows_that_an_urgent_prompt_waits_for_go_on_in_its_place) {
    state.limits.prefix_cache = true;
    arrive(10);
    step();
    const auto lazy = arrive(6000);
    state.waiting.at(lazy).priority = 10;
    for (int i = 0; i < 2; i++) step();
    ASSERT_TRUE(state.running.at(lazy).resting());
    state.costs.routed.row = 100 * kMicrosecond;
    const auto urgent = arrive(6000), middle = arrive(600);
    state.waiting.at(urgent).tokens = state.running.at(lazy).tokens;
    state.waiting.at(urgent).tokens.resize(4000);
    state.waiting.at(middle).priority = 5;
    while (!state.running.contains(urgent) || !state.running.at(urgent).decoding) step();
    EXPECT_FALSE(state.running.at(middle).decoding);
}

TEST_F(PlanAutoTest, steps_grow_no_faster_than_what_is_known_of_them) {
    arrive(10);
    step();
    state.limits.token_gap = {.milliseconds = 1'000'000};
    state.costs.most_rows = 10;
    arrive(8000), arrive(8000);
    Plan plan = plan_auto(state);
    EXPECT_EQ(plan.segments.back().end_token, 256);
    commit(state, plan);
    state.costs.most_rows = 300;
    append_token(state, plan.segments[0].sequence, 7);
    plan = plan_auto(state);
    EXPECT_EQ(plan.segments.back().end_token - plan.segments.back().first_token, 600);
}

TEST_F(PlanAutoTest, priority_comes_before_length) {
    const auto quick = arrive(10), important = arrive(2000);
    state.waiting.at(important).priority = -1;
    EXPECT_EQ(step().segments[0].sequence, important);
    EXPECT_FALSE(state.running.at(quick).decoding);
}

TEST_F(PlanAutoTest, prompts_that_begin_together_go_on_together) {
    arrive(10);
    step();
    state.limits.token_gap = {.milliseconds = 20};
    const auto a = arrive(20), b = arrive(20);
    const Plan first = step();
    ASSERT_EQ(first.segments.size(), 3u);
    EXPECT_LT(first.segments[1].end_layer, kLayers);
    EXPECT_EQ(first.segments[1].end_layer, first.segments[2].end_layer);
    const Plan second = step();
    ASSERT_EQ(second.segments.size(), 3u);
    EXPECT_EQ(second.segments[1].sequence, a);
    EXPECT_EQ(second.segments[2].sequence, b);
    EXPECT_EQ(second.segments[1].first_layer, first.segments[1].end_layer);
}

// A chunk was begun while nobody decoded; then somebody does, and one layer of all its rows takes too long.
TEST_F(PlanAutoTest, rows_that_are_too_many_for_one_layer_go_on_in_parts) {
    const auto a = arrive(1024);
    Plan plan = plan_auto(state);
    plan.segments[0].end_layer = 3;  // stopped there
    commit(state, plan);
    const auto b = arrive(5, -1'000'000'000);
    state.limits.token_gap = {.factor_percent = 0};
    plan = plan_auto(state);
    ASSERT_EQ(plan.segments[0].sequence, b);
    commit(state, plan);
    append_token(state, b, 7);
    state.costs.routed.row = 20 * kMicrosecond;
    state.limits.token_gap = {.factor_percent = 200};
    int64_t rows = 0;
    for (int steps = 0; state.running.at(a).frontier == 3; steps++) {
        plan = step();
        ASSERT_EQ(plan.segments.size(), 2u);
        ASSERT_LE(cost(plan), plan.budget_ps * 9 / 8);
        rows += plan.segments[1].end_token - plan.segments[1].first_token;
        ASSERT_LT(steps, 100);
    }
    EXPECT_EQ(rows, 1024);
    EXPECT_GT(state.running.at(a).frontier, 3);
}

TEST_F(PlanAutoTest, resting_rows_are_bounded) {
    arrive(10);
    step();
    state.limits.resting_rows = 50;
    for (int i = 0; i < 5; i++) arrive(1000);
    for (int i = 0; i < 200; i++) {
        const Plan plan = step();
        int64_t resting = 0;
        for (const auto& [id, sequence] : state.running)
            resting += sequence.decoding ? 0 : sequence.issued - sequence.computed;
        ASSERT_LE(resting, 50);
    }
}

TEST_F(PlanAutoTest, the_budget_holds_on_the_clock) {
    arrive(10);
    step();
    state.limits.token_gap = {.milliseconds = 50};
    arrive(8000);
    const Plan plan = plan_auto(state);
    const TimeBudget budget(state, plan, false), moving(state, plan, true);
    EXPECT_TRUE(budget.allows(plan.segments[1].end_layer - 1, 0.001, true));
    EXPECT_FALSE(budget.allows(1, 0.049, true));  // the decoding rows have 15 layers to go
    EXPECT_FALSE(budget.allows(1, 0.049, false));
    EXPECT_FALSE(moving.allows(1, 0.049, true));
    EXPECT_TRUE(moving.allows(1, 0.049, false));  // they did not get on in the last step
}

// A step that comes to layer 8 with half as much again of the time estimated will take that for the rest.
TEST_F(PlanAutoTest, a_step_that_is_slow_is_expected_to_stay_so) {
    arrive(10);
    step();
    state.limits.token_gap = {.milliseconds = 50};
    const auto prompt = arrive(8000);
    Plan plan = plan_auto(state);
    ASSERT_EQ(plan.segments[1].sequence, prompt);
    plan.segments[1].first_layer = 8, plan.segments[1].end_layer = 9;
    const auto seconds = [&](int32_t end) {
        std::vector<Segment> before{plan.segments[0]};
        before[0].end_layer = end;
        return static_cast<double>(state.costs.of(state.shape, before)) / kPicosecondsPerSecond;
    };
    plan.budget_ps = cost(plan) * 6 / 5;
    const TimeBudget budget(state, plan, false);
    EXPECT_TRUE(budget.allows(8, seconds(8), false));
    EXPECT_TRUE(budget.allows(8, seconds(8) * 1.1, false));
    EXPECT_FALSE(budget.allows(8, seconds(8) * 1.5, false));
    // The time that is left would do without that expectation.
    EXPECT_LT(seconds(8) * 1.5 + static_cast<double>(cost(plan)) / kPicosecondsPerSecond - seconds(8),
              static_cast<double>(plan.budget_ps) / kPicosecondsPerSecond);
}

TEST_F(PlanAutoTest, time_is_kept_for_the_most_urgent_prompt_where_it_begins_deeper) {
    arrive(10);
    step();
    const auto urgent = arrive(500), later = arrive(500);
    Plan plan = plan_auto(state);
    plan.segments.resize(1);
    plan.segments.push_back({urgent, 0, 100, 9, 10, true});
    plan.segments.push_back({later, 0, 100, 0, 1, true});
    plan.budget_ps = cost(plan);
    const TimeBudget whole(state, plan, false);
    EXPECT_TRUE(whole.allows(0, 0, false));
    plan.budget_ps = cost(plan) - state.costs.routed.row * 50;
    const TimeBudget short_of_time(state, plan, false);
    EXPECT_FALSE(short_of_time.allows(0, 0, false));
}

TEST_F(PlanAutoTest, a_guest_gets_what_decoding_rows_leave_of_their_budget) {
    LayerWork decodes;
    decodes.add({.sequence = {1}, .first_token = 10, .end_token = 11});
    const int64_t millisecond = 1000 * kMicrosecond;
    state.limits.token_gap = {.milliseconds = 50};
    state.costs.late_permille = 1250;
    EXPECT_EQ(turn_end_ps(state, decodes, false, 10 * millisecond), 40 * millisecond);
    EXPECT_EQ(turn_end_ps(state, decodes, true, 45 * millisecond), 40 * millisecond);  // over: no turn
    state.limits.token_gap = {.factor_percent = 0};
    EXPECT_EQ(turn_end_ps(state, decodes, false, 10 * millisecond), 20 * millisecond);
    EXPECT_EQ(turn_end_ps(state, decodes, true, 10 * millisecond), 0);
    EXPECT_EQ(turn_end_ps(state, {}, true, 10 * millisecond), 0);
}

}  // namespace
}  // namespace hone::engine
