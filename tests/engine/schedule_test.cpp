// Who goes first, in which layers, and who makes room for whom.
#include <limits>

#include "tests/engine/schedule_fixture.h"

namespace hone::engine {
namespace {

TEST_F(ScheduleTest, prompts_share_the_budget_in_order_of_arrival) {
    const auto a = arrive(150), b = arrive(30), c = arrive(90);
    EXPECT_EQ(step().segments, (std::vector<Segment>{{a, 0, 100, 0, kLayers}}));
    EXPECT_EQ(step().segments,
              (std::vector<Segment>{{a, 100, 150, 0, kLayers}, {b, 0, 30, 0, kLayers}, {c, 0, 20, 0, kLayers}}));
    // Decoding rows come first and count.
    state.limits.token_budget = 60;
    EXPECT_EQ(step().segments,
              (std::vector<Segment>{{a, 150, 151, 0, kLayers}, {b, 30, 31, 0, kLayers}, {c, 20, 78, 0, kLayers}}));
    state.limits.token_budget = 1;  // prompts get on nevertheless
    EXPECT_EQ(step().segments.back(), (Segment{c, 78, 79, 0, kLayers}));
}

TEST_F(ScheduleTest, priority_goes_before_arrival) {
    const auto a = arrive(150), b = arrive(90);
    state.waiting.at(b).priority = -1;
    EXPECT_EQ(step().segments, (std::vector<Segment>{{b, 0, 90, 0, kLayers}, {a, 0, 10, 0, kLayers}}));
}

TEST_F(ScheduleTest, tenants_take_turns) {
    state.limits.token_budget = 2 * kShareTokens;
    state.limits.max_batch = 1;
    std::vector<SequenceId> first, second;
    for (int i = 0; i < 3; i++) first.push_back(arrive(kShareTokens));
    for (int i = 0; i < 3; i++) second.push_back(arrive(kShareTokens, 1));
    std::vector<SequenceId> order;
    for (int i = 0; i < 6; i++) {
        order.push_back(step().segments[0].sequence);
        remove_sequence(state, order.back());
    }
    EXPECT_EQ(order, (std::vector{first[0], second[0], first[1], second[1], first[2], second[2]}));
    EXPECT_TRUE(state.tenants.empty());
}

// What a tenant had while nobody else asked is not held against it, and one that comes and goes does not begin anew.
TEST_F(ScheduleTest, tenants_that_come_and_go_starve_nobody) {
    state.limits.token_budget = 21;  // with the stream's row
    const auto serve_all = [&](SequenceId id) {
        for (int steps = 0; !state.running.contains(id) || !state.running.at(id).decoding; steps++) {
            step();
            if (steps == 100) return false;
        }
        remove_sequence(state, id);
        return true;
    };
    const auto stream = arrive(10, 9);  // a quiet stream of a third tenant
    step();
    for (int i = 0; i < 40; i++) ASSERT_TRUE(serve_all(arrive(100, 0)));
    const auto first = arrive(100, 0);
    int32_t newcomers = 0;
    while (state.waiting.contains(first) || !state.running.at(first).decoding) {
        ASSERT_TRUE(serve_all(arrive(100, 1 + static_cast<uint32_t>(newcomers++ % 2))));
        ASSERT_LT(newcomers, 40);
    }
    remove_sequence(state, first);
    remove_sequence(state, stream);
    EXPECT_TRUE(state.tenants.empty());
}

TEST_F(ScheduleTest, a_share_comes_before_claims_of_priority) {
    state.limits.token_budget = 2 * kShareTokens;
    state.limits.max_batch = 1;
    std::vector<SequenceId> greedy;
    for (int i = 0; i < 3; i++) {
        greedy.push_back(arrive(900));
        state.waiting.at(greedy.back()).priority = std::numeric_limits<int32_t>::min();
    }
    const auto modest = arrive(900, 1);
    std::vector<SequenceId> order;
    for (int i = 0; i < 4; i++) {
        order.push_back(step().segments[0].sequence);
        remove_sequence(state, order.back());
    }
    EXPECT_EQ(order, (std::vector{greedy[0], greedy[1], modest, greedy[2]}));
}

TEST_F(ScheduleTest, priority_counts_as_age) {
    const auto at = [&](int64_t seconds, int32_t priority) {
        const auto id = arrive(10);
        state.waiting.at(id).arrival_ns = seconds * 1'000'000'000;
        state.waiting.at(id).priority = priority;
        return by_arrival(state, state.waiting.at(id));
    };
    EXPECT_LT(at(29, -1), at(0, 0));
    EXPECT_LT(at(0, 0), at(31, -1));
    EXPECT_LT(at(1000, std::numeric_limits<int32_t>::min()), at(0, -1));
    EXPECT_LT(at(0, 0), at(0, std::numeric_limits<int32_t>::max()));
}

// Another one of two levels more comes every second, and each takes up a step: those of the next minute go first.
TEST_F(ScheduleTest, an_outranked_prompt_waits_for_its_levels_under_every_policy) {
    for (const Policy policy : {plan_chunked, plan_layered, plan_auto}) {
        state.limits.max_batch = 1;  // else one cohort takes both
        const auto outranked = arrive_at(0, 100, 0);
        int64_t second = 0;
        for (bool waits = true; waits && second < 200; second++) {
            arrive_at(second, 100, -2);
            for (const Segment& segment : step(policy).segments) {
                waits = waits && segment.sequence != outranked;
                if (state.running.at(segment.sequence).decoding) remove_sequence(state, segment.sequence);
            }
        }
        EXPECT_NEAR(static_cast<double>(second), 60, 10);
        remove_all();
    }
}

// Two streams take 8 pages each of 16 before they end, whoever comes last is preempted meanwhile, and there is always
// somebody of higher rank to follow.
TEST_F(ScheduleTest, an_outranked_stream_comes_to_its_end_under_every_policy) {
    for (const Policy policy : {plan_chunked, plan_layered, plan_auto}) {
        const auto preempted_before = state.preemptions;
        const auto outranked = arrive_at(0, 100, 0);
        step(policy);
        int64_t second = 0;
        for (; second < 4000 && (state.waiting.contains(outranked) || state.running.contains(outranked)); second++) {
            if (state.waiting.empty()) arrive_at(second, 100, -2);
            for (const Segment& segment : step(policy).segments) {
                if (state.running.at(segment.sequence).length() >= 500) remove_sequence(state, segment.sequence);
            }
        }
        EXPECT_GT(state.preemptions, preempted_before);
        EXPECT_LT(second, 900);  // after the minute nobody takes its pages; 1,015 if rank never aged
        remove_all();
    }
}

TEST_F(ScheduleTest, the_published_table_of_groups) {
    const int32_t tokens[] = {512, 513, 1025, 2049, 4097};
    const auto groups = [&](int32_t most) {
        std::vector<int32_t> row;
        for (const int32_t count : tokens) row.push_back(layered_groups(count, most, 512));
        return row;
    };
    EXPECT_EQ(groups(16), (std::vector<int32_t>{1, 2, 4, 8, 16}));
    EXPECT_EQ(groups(12), (std::vector<int32_t>{1, 2, 4, 6, 12}));
    EXPECT_EQ(groups(24), (std::vector<int32_t>{1, 2, 4, 8, 24}));
    EXPECT_EQ(groups(4), (std::vector<int32_t>{1, 2, 4, 4, 4}));
    EXPECT_EQ(groups(10), (std::vector<int32_t>{1, 2, 2, 5, 10}));
    EXPECT_EQ(groups(11), (std::vector<int32_t>{1, 2, 4, 8, 11}));  // a prime has no other divisor
    EXPECT_EQ(layered_groups(64, 16, 64), 1);
    EXPECT_EQ(layered_groups(65, 16, 64), 2);
    EXPECT_EQ(layered_groups(8 * 64 + 1, 16, 64), 16);
    EXPECT_EQ(most_layered_groups(48), 16);
    EXPECT_EQ(most_layered_groups(24), 12);
    EXPECT_EQ(most_layered_groups(94), 16);
    EXPECT_EQ(most_layered_groups(3), 3);
}

TEST_F(ScheduleTest, a_cohort_advances_by_layer_groups_beside_decodes) {
    state.limits.token_budget = 512;
    const auto a = arrive(10);
    step(plan_layered);
    const auto b = arrive(450), c = arrive(100);  // 550 tokens: two groups
    EXPECT_EQ(step(plan_layered).segments,
              (std::vector<Segment>{{a, 10, 11, 0, kLayers}, {b, 0, 450, 0, 3}, {c, 0, 100, 0, 3}}));
    const auto d = arrive(5);   // joins the next cohort
    remove_sequence(state, c);  // a cohort may shrink
    EXPECT_EQ(step(plan_layered).segments, (std::vector<Segment>{{a, 11, 12, 0, kLayers}, {b, 0, 450, 3, 6}}));
    EXPECT_EQ(step(plan_layered).segments,
              (std::vector<Segment>{{a, 12, 13, 0, kLayers}, {b, 450, 451, 0, kLayers}, {d, 0, 5, 0, kLayers}}));
}

TEST_F(ScheduleTest, the_first_groups_of_a_cohort_have_the_layers_that_are_left_over) {
    state.limits.layers = 17;  // no number of groups from 8 to 16 divides it
    state.limits.token_budget = 512;
    ASSERT_EQ(most_layered_groups(17), 16);
    const auto a = arrive(600);
    EXPECT_EQ(step(plan_layered).segments, (std::vector<Segment>{{a, 0, 600, 0, 9}}));
    EXPECT_EQ(step(plan_layered).segments, (std::vector<Segment>{{a, 0, 600, 9, 17}}));
    remove_sequence(state, a);
    state.limits.layers = 11;
    const auto b = arrive(1000);
    EXPECT_EQ(step(plan_layered).segments, (std::vector<Segment>{{b, 0, 1000, 0, 6}}));
    EXPECT_EQ(step(plan_layered).segments, (std::vector<Segment>{{b, 0, 1000, 6, 11}}));
}

TEST_F(ScheduleTest, a_cohort_has_no_more_tokens_than_sixteen_budgets) {
    state.limits.token_budget = 25;
    const auto a = arrive(420);
    for (int32_t layer = 0; layer < kLayers; layer++)
        EXPECT_EQ(step(plan_layered).segments, (std::vector<Segment>{{a, 0, 400, layer, layer + 1}}));
    EXPECT_EQ(step(plan_layered).segments, (std::vector<Segment>{{a, 400, 420, 0, kLayers}}));
}

TEST_F(ScheduleTest, the_youngest_makes_room_and_resumes_in_its_old_place) {
    state.limits.token_budget = 2000;
    const auto a = arrive(64 * 8 - 1), b = arrive(64 * 6);
    step();
    EXPECT_EQ(state.spare_pages(), 2);
    for (int i = 0; i < 64; i++) step();  // both take one more page
    EXPECT_EQ(state.spare_pages(), 0);
    const auto c = arrive(10);
    Plan plan = step();
    EXPECT_EQ(plan.preempted, std::vector{b});
    EXPECT_EQ(plan.segments, (std::vector<Segment>{{a, 64 * 9 - 1 + 0, 64 * 9 + 0, 0, kLayers}}));
    EXPECT_EQ(state.waiting.begin()->first, b);
    EXPECT_TRUE(state.waiting.contains(c));
    EXPECT_EQ(state.waiting.at(b).computed, 0);
    remove_sequence(state, a);
    plan = step();
    // Its pages are still cached; what it drew last is computed as a prompt.
    EXPECT_EQ(plan.segments[0], (Segment{b, 64 * 7, 64 * 7 + 1, 0, kLayers}));
    EXPECT_EQ(plan.segments[1].sequence, c);
}

TEST_F(ScheduleTest, paused_sequences_keep_their_pages_until_others_need_them) {
    state.limits.token_budget = 2000;
    const auto a = arrive(64 * 4 - 1), b = arrive(64 * 6 - 1), c = arrive(64 * 3);
    step();
    set_paused(state, a, true);
    for (Plan plan; plan.preempted.empty();) {
        EXPECT_EQ(state.running.at(a).computed, 64 * 4 - 1);
        const int32_t spare = state.spare_pages();
        plan = step();
        EXPECT_EQ(plan.segments.size(), 2u);
        EXPECT_EQ(plan.preempted, spare > 0 ? std::vector<SequenceId>{} : std::vector{a});  // though c came after it
        ASSERT_LT(state.running.at(b).length(), 64 * 10);
    }
    for (int i = 0; i < 10; i++) step();
    EXPECT_TRUE(state.waiting.contains(a));
    remove_sequence(state, b);
    step();
    EXPECT_TRUE(state.waiting.contains(a));
    set_paused(state, a, false);
    const Plan plan = step();
    EXPECT_EQ(plan.segments.back().sequence, a);
    remove_sequence(state, c);
    set_paused(state, a, true);
    remove_sequence(state, a);
    EXPECT_EQ(state.paused, 0);
    EXPECT_EQ(pool.in_use(), 0);
}

TEST_F(ScheduleTest, paused_sequences_make_way_for_those_that_wait) {
    state.limits.max_batch = 2;
    const auto a = arrive(10), b = arrive(10);
    step();
    set_paused(state, b, true);
    const auto c = arrive(10);
    set_paused(state, c, true);
    EXPECT_TRUE(step().preempted.empty());
    set_paused(state, c, false);
    const Plan plan = step();
    EXPECT_EQ(plan.preempted, std::vector{b});
    EXPECT_EQ(plan.segments, (std::vector<Segment>{{a, 11, 12, 0, kLayers}, {c, 0, 10, 0, kLayers}}));
    set_paused(state, b, false);
    EXPECT_TRUE(step().preempted.empty());  // who goes on waits for its turn
    EXPECT_TRUE(state.waiting.contains(b));
}

TEST_F(ScheduleTest, rows_of_a_paused_prompt_go_on_to_the_last_layer) {
    state.limits.token_budget = 500;
    const auto a = arrive(400), b = arrive(500);
    step(plan_layered);
    ASSERT_TRUE(state.running.at(a).resting());
    set_paused(state, a, true);
    for (int i = 0; i < 40 && state.running.at(b).computed < 500; i++) step(plan_layered);
    EXPECT_EQ(state.running.at(a).computed, 400);
    EXPECT_FALSE(state.running.at(a).resting());
    EXPECT_EQ(state.running.at(b).computed, 500);
}

TEST_F(ScheduleTest, admission_keeps_a_page_for_every_running_sequence) {
    arrive(64 * 8);
    step();
    const auto b = arrive(64 * 8);
    step();
    EXPECT_TRUE(state.waiting.contains(b));  // 7 of 8 free pages may be promised
    const auto c = arrive(10);
    step();
    EXPECT_TRUE(state.waiting.contains(c));  // nobody overtakes
}

TEST_F(ScheduleTest, what_fits_only_alone_runs_alone) {
    EXPECT_TRUE(can_ever_fit(state, 64 * 16));
    EXPECT_FALSE(can_ever_fit(state, 64 * 16 + 1));
    const auto a = arrive(64 * 16);
    EXPECT_EQ(step().segments[0].sequence, a);
}

TEST_F(ScheduleTest, removing_frees_everything_at_every_moment) {
    const auto waiting = arrive(100);
    remove_sequence(state, waiting);
    const auto resting = arrive(600);
    step(plan_layered);
    EXPECT_TRUE(state.running.at(resting).resting());
    remove_sequence(state, resting);
    const auto decoding = arrive(90);
    step(), step();
    remove_sequence(state, decoding);
    EXPECT_EQ(pool.in_use(), 0);
    EXPECT_EQ(state.reserved, 0);
    EXPECT_EQ(pool.cached_only(), 2);  // of the 90 tokens; rows that rested are worth nothing
}

}  // namespace
}  // namespace hone::engine
