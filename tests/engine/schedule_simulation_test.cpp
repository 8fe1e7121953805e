#include "tests/engine/schedule_simulation.h"

#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace hone::engine {
namespace {

LayerCosts any_costs() {
    const auto cost = [] { return int64_t{*rc::gen::element(0, 1, 20, 1000)}; };
    return {.fixed = cost(), .row = cost(), .expert = cost(), .context = cost(), .pair = cost()};
}

// 0 chunked, 1 layered, 2 auto, 3 another one in every step.
void set_policy(SimulationSetup& setup, int policy) {
    // A short cohort has fewer groups than it has budgets.
    setup.rules.most_budgets = policy == 0 ? 1 : policy == 1 ? kCohortBudgets : 0;
    if (policy < 3) {
        const Policy policies[] = {plan_chunked, plan_layered, plan_auto};
        setup.policy = policies[policy];
        return;
    }
    setup.policy = [random = Random(setup.seed, 1)](ScheduleState& state) mutable {
        const Policy policies[] = {plan_chunked, plan_layered, plan_auto};
        return policies[random.below(3)](state);
    };
}

SimulationSetup with_arrivals(SimulationSetup setup) {
    setup.arrival = *rc::gen::element(0.02, 0.3, 1.0);
    setup.cancellation = *rc::gen::element(0.0, 0.02, 0.3);
    setup.evict_all_at_end = *rc::gen::arbitrary<bool>();
    setup.pausing = *rc::gen::element(0.0, 0.0, 0.1, 1.0);
    setup.restarting = *rc::gen::element(0.0, 0.0, 0.02, 0.3);
    // Who goes on, or starts over, waits for those that took its place.
    if (setup.pausing > 0 || setup.restarting > 0)
        setup.rules.most_steps_without_rows = int64_t{setup.most} * setup.longest * setup.limits.layers;
    setup.ranks = *rc::gen::arbitrary<bool>();
    if (setup.ranks) setup.rules.most_steps_without_rows = std::numeric_limits<int64_t>::max();
    return setup;
}

SimulationSetup any_setup() {
    SimulationSetup setup;
    setup.limits.layers = *rc::gen::inRange(1, 9);
    setup.limits.max_batch = *rc::gen::inRange(1, 10);
    setup.limits.token_budget = *rc::gen::element(1, 7, 64, 100, 512);
    setup.limits.prefix_cache = *rc::gen::weightedElement<bool>({{3, true}, {1, false}});
    setup.pages = *rc::gen::inRange(1, 40);
    setup.longest = *rc::gen::inRange(1, std::min(600, setup.pages * kPageTokens) + 1);
    setup.seed = *rc::gen::arbitrary<uint64_t>();
    const int policy = *rc::gen::inRange(0, 4);
    set_policy(setup, policy);
    if (policy < 2) return with_arrivals(setup);
    if (policy == 2) setup.limits.resting_rows = *rc::gen::element(1, 50, 1 << 30);
    setup.limits.token_gap.factor_percent = *rc::gen::element(0, 120, 200, 1000);
    setup.stops = *rc::gen::arbitrary<bool>();
    // Those ahead of it come to their end, a row and a layer a step.
    setup.rules.most_steps_without_rows = int64_t{setup.most} * setup.longest * setup.limits.layers;
    setup.costs = {.dense = any_costs(), .routed = any_costs(), .step = *rc::gen::inRange(0, 1000), .logits = 10};
    return with_arrivals(setup);
}

TEST(ScheduleSimulation, any_setup_keeps_the_invariants) {
    const bool holds = rc::check([] {
        ScheduleSimulation simulation(any_setup());
        simulation.run(300);
        RC_ASSERT(!testing::Test::HasFailure());
    });
    EXPECT_TRUE(holds);
}

// Crowded: more sequences than pages, so that every way of running out happens.
void run_long(int policy, int64_t steps, double pausing = 0, double restarting = 0) {
    SimulationSetup setup;
    setup.limits = {.layers = 6, .max_batch = 8, .token_budget = 128, .prefix_cache = true};
    setup.pages = 14;
    setup.longest = 500;
    setup.seed = 20240117;
    set_policy(setup, policy);
    setup.arrival = 0.06;
    setup.rules.audit_every = 64;
    setup.pausing = pausing;
    setup.restarting = restarting;
    if (policy >= 2 || pausing > 0 || restarting > 0) {
        setup.rules.most_steps_without_rows =
            int64_t{setup.most} * setup.longest;  // those ahead of it come to their end
    }
    if (policy >= 2) {
        setup.stops = true;
        if (policy == 2) setup.limits.resting_rows = 300;
        const LayerCosts layer{.fixed = 50, .row = 20, .expert = 200, .context = 1, .pair = 1};
        setup.costs = {.dense = layer, .routed = layer, .step = 100, .logits = 10};
    }
    ScheduleSimulation simulation(setup);
    simulation.run(steps);
    EXPECT_GT(simulation.finished(), steps / 200);
    EXPECT_GT(simulation.preemptions(), steps / 1000);
    EXPECT_GT(simulation.cached_tokens(), steps / 20);
    if (pausing > 0) {
        EXPECT_GT(simulation.paused_steps(), steps / 4);
    }
    if (restarting > 0) {
        EXPECT_GT(simulation.restarts(), steps / 100);
    }
    if (setup.stops) {
        EXPECT_GT(simulation.stopped(), steps / 500);
    }
}

TEST(ScheduleSimulation, a_million_crowded_steps_chunked) {
    run_long(0, 1'000'000);
}

TEST(ScheduleSimulation, a_million_crowded_steps_layered) {
    run_long(1, 1'000'000);
}

TEST(ScheduleSimulation, a_million_crowded_steps_auto) {
    run_long(2, 1'000'000);
}

TEST(ScheduleSimulation, a_million_crowded_steps_of_changing_policies) {
    run_long(3, 1'000'000);
}

TEST(ScheduleSimulation, crowded_steps_with_pauses) {
    for (int policy = 0; policy < 4; policy++) run_long(policy, 100'000, 0.1);
}

TEST(ScheduleSimulation, crowded_steps_with_restarts) {
    for (int policy = 0; policy < 4; policy++) run_long(policy, 100'000, policy % 2 == 0 ? 0 : 0.05, 0.02);
}

}  // namespace
}  // namespace hone::engine
