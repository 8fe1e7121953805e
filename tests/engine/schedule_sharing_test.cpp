// Rows that prompts share, within the schedule: who computes them, who waits for them, who has a copy.
#include "tests/engine/schedule_fixture.h"

namespace hone::engine {
namespace {

TEST_F(ScheduleTest, a_second_prompt_with_the_same_beginning_waits_for_its_rows) {
    const std::vector<int32_t> prompt(150, 3);
    const auto a = arrive(prompt), b = arrive(prompt);
    EXPECT_EQ(step().segments, (std::vector<Segment>{{a, 0, 100, 0, kLayers}}));
    EXPECT_EQ(step().segments, (std::vector<Segment>{{a, 100, 150, 0, kLayers}}));
    EXPECT_EQ(step().segments, (std::vector<Segment>{{a, 150, 151, 0, kLayers}, {b, 149, 150, 0, kLayers}}));
    EXPECT_EQ(state.running.at(b).cached, 149);
    EXPECT_EQ(state.running.at(a).pages[1], state.running.at(b).pages[1]);
    EXPECT_NE(state.running.at(a).pages[2], state.running.at(b).pages[2]);  // copied, not shared
    EXPECT_EQ(pool.in_use(), 4);
}

TEST_F(ScheduleTest, a_prompt_goes_on_alone_when_the_one_it_waited_for_is_cancelled) {
    const std::vector<int32_t> prompt(150, 3);
    const auto a = arrive(prompt), b = arrive(prompt);
    step();
    remove_sequence(state, a);
    EXPECT_EQ(step().segments, (std::vector<Segment>{{b, 100, 150, 0, kLayers}}));
}

TEST_F(ScheduleTest, one_token_of_a_cached_prompt_is_computed) {
    const auto a = arrive(std::vector<int32_t>(128, 3));
    step(), step();
    remove_sequence(state, a);
    EXPECT_EQ(pool.cached_only(), 2);
    const auto b = arrive(std::vector<int32_t>(128, 3));
    EXPECT_EQ(step().segments, (std::vector<Segment>{{b, 127, 128, 0, kLayers}}));
    remove_sequence(state, b);
    const auto c = arrive(std::vector<int32_t>(129, 3));
    EXPECT_EQ(step().segments, (std::vector<Segment>{{c, 128, 129, 0, kLayers}}));
}

TEST_F(ScheduleTest, where_every_row_counts_only_rows_computed_before_are_skipped) {
    const auto a = arrive(std::vector<int32_t>(150, 3));
    step(), step();
    const auto b = arrive(std::vector<int32_t>(150, 3), true);
    EXPECT_EQ(step().segments[1], (Segment{b, 0, 99, 0, kLayers}));
    Plan plan;
    preempt(state, plan, b);
    EXPECT_EQ(step().segments[1], (Segment{b, 99, 150, 0, kLayers}));
    EXPECT_EQ(state.running.at(b).cached, 0);  // its own rows, not the cache's merit
    EXPECT_EQ(state.running.at(a).pages[0], state.running.at(b).pages[0]);
}

TEST_F(ScheduleTest, a_turn_computes_only_what_is_new) {
    std::vector<int32_t> conversation(90, 3);
    for (int turn = 0; turn < 5; turn++) {
        const auto id = arrive(conversation);
        const Plan plan = step();
        const int32_t known = turn == 0 ? 0 : static_cast<int32_t>(conversation.size()) - 31;
        EXPECT_EQ(plan.segments, (std::vector<Segment>{{id, known, state.running.at(id).computed, 0, kLayers}}));
        EXPECT_EQ(state.running.at(id).cached, known);
        for (int i = 0; i < 20; i++) step();
        conversation = state.running.at(id).tokens;  // the last one was drawn, but never computed
        remove_sequence(state, id);
        conversation.insert(conversation.end(), 30, 100 + turn);
        EXPECT_EQ(pool.cached_only(), pages_for(static_cast<int32_t>(conversation.size()) - 31));
    }
}

TEST_F(ScheduleTest, prompts_that_part_within_a_page_share_up_to_there) {
    std::vector<int32_t> first(150, 3), second(150, 3);
    second[101] = 4;
    state.limits.token_budget = 400;
    const auto a = arrive(first), b = arrive(second);
    EXPECT_EQ(step().segments, (std::vector<Segment>{{a, 0, 150, 0, kLayers}}));
    EXPECT_EQ(step().segments, (std::vector<Segment>{{a, 150, 151, 0, kLayers}, {b, 101, 150, 0, kLayers}}));
    EXPECT_EQ(state.running.at(b).cached, 101);
    // Of a whole page of the tree too.
    remove_sequence(state, a), remove_sequence(state, b);
    second[80] = 5;
    const auto c = arrive(second);
    EXPECT_EQ(step().segments, (std::vector<Segment>{{c, 80, 150, 0, kLayers}}));
}

TEST_F(ScheduleTest, choices_of_a_short_prompt_compute_it_once) {
    const std::vector<int32_t> prompt(40, 3);
    const auto a = arrive(prompt), b = arrive(prompt), c = arrive(prompt);
    EXPECT_EQ(step().segments, (std::vector<Segment>{{a, 0, 40, 0, kLayers}}));
    EXPECT_EQ(step().segments,
              (std::vector<Segment>{{a, 40, 41, 0, kLayers}, {b, 39, 40, 0, kLayers}, {c, 39, 40, 0, kLayers}}));
    // For a few tokens nobody waits.
    const auto d = arrive({7, 8, 9}), e = arrive({7, 8, 9});
    state.limits.max_batch = 8;
    const Plan plan = step();
    EXPECT_EQ(plan.segments[3], (Segment{d, 0, 3, 0, kLayers}));
    EXPECT_EQ(plan.segments[4], (Segment{e, 0, 3, 0, kLayers}));
}

TEST_F(ScheduleTest, followers_wait_for_resting_rows_and_for_whoever_takes_their_place) {
    const auto two_layers_a_step = [](ScheduleState& schedule) {
        Plan plan = plan_auto(schedule);
        for (Segment& segment : plan.segments) {
            if (segment.may_stop) segment.end_layer = std::min(segment.end_layer, segment.first_layer + 2);
        }
        return plan;
    };
    state.limits.token_budget = 1000;
    const std::vector<int32_t> prompt(300, 3);
    const auto a = arrive(prompt), b = arrive(prompt), c = arrive(prompt);
    EXPECT_EQ(step(two_layers_a_step).segments, (std::vector<Segment>{{a, 0, 300, 0, 2, true}}));
    EXPECT_EQ(step(two_layers_a_step).segments, (std::vector<Segment>{{a, 0, 300, 2, 4, true}}));
    remove_sequence(state, a);
    EXPECT_EQ(step(two_layers_a_step).segments, (std::vector<Segment>{{b, 0, 300, 0, 2, true}}));
    Plan plan;
    preempt(state, plan, b);
    // Back in its old place, it leads again.
    EXPECT_EQ(step(two_layers_a_step).segments, (std::vector<Segment>{{b, 0, 300, 0, 2, true}}));
    step(two_layers_a_step), step(two_layers_a_step);
    EXPECT_EQ(step(plan_chunked).segments,
              (std::vector<Segment>{{b, 300, 301, 0, kLayers}, {c, 299, 300, 0, kLayers}}));
}

TEST_F(ScheduleTest, salts_share_no_row) {
    const std::vector<int32_t> prompt(150, 3);
    state.limits.token_budget = 1000;
    const auto arrive_salted = [&](std::string_view salt) {
        SequenceState sequence;
        sequence.id = {++last_id};
        sequence.tokens = prompt;
        sequence.root = tree.hold_root(salt);
        enqueue(state, std::move(sequence));
        return SequenceId{last_id};
    };
    const auto plain = arrive(prompt), ann = arrive_salted("ann"), bob = arrive_salted("bob");
    EXPECT_EQ(step().segments, (std::vector<Segment>{
                                   {plain, 0, 150, 0, kLayers}, {ann, 0, 150, 0, kLayers}, {bob, 0, 150, 0, kLayers}}));
    remove_sequence(state, ann);
    remove_sequence(state, bob);
    const auto again = arrive_salted("ann");
    EXPECT_EQ(step().segments[1], (Segment{again, 149, 150, 0, kLayers}));
    remove_sequence(state, plain), remove_sequence(state, again);
    while (tree.evict()) {
    }
    EXPECT_EQ(tree.salts(), 0);
}

TEST_F(ScheduleTest, without_a_page_for_the_copy_rows_are_computed) {
    const std::vector<int32_t> prompt(64 * 15 + 30, 3);
    state.limits.token_budget = 2000;
    auto id = arrive(prompt);
    step();
    remove_sequence(state, id);
    EXPECT_EQ(pool.cached_only(), 16);  // all there are
    id = arrive(prompt);
    EXPECT_EQ(step().segments, (std::vector<Segment>{{id, 64 * 15, 64 * 15 + 30, 0, kLayers}}));
}

}  // namespace
}  // namespace hone::engine
