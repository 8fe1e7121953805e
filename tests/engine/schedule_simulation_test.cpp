#include "tests/engine/schedule_simulation.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace hone::engine {
namespace {

SimulationSetup any_setup() {
    SimulationSetup setup;
    setup.limits.layers = *rc::gen::inRange(1, 9);
    setup.limits.max_batch = *rc::gen::inRange(1, 10);
    setup.limits.token_budget = *rc::gen::element(1, 7, 64, 100, 512);
    setup.limits.prefix_cache = *rc::gen::weightedElement<bool>({{3, true}, {1, false}});
    setup.pages = *rc::gen::inRange(1, 40);
    setup.longest = *rc::gen::inRange(1, std::min(600, setup.pages * kPageTokens) + 1);
    setup.layered = *rc::gen::arbitrary<bool>();
    setup.seed = *rc::gen::arbitrary<uint64_t>();
    setup.arrival = *rc::gen::element(0.02, 0.3, 1.0);
    setup.cancellation = *rc::gen::element(0.0, 0.02, 0.3);
    setup.evict_all_at_end = *rc::gen::arbitrary<bool>();
    return setup;
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
void run_long(bool layered, int64_t steps) {
    SimulationSetup setup;
    setup.limits = {.layers = 6, .max_batch = 8, .token_budget = 128, .prefix_cache = true};
    setup.pages = 14;
    setup.longest = 500;
    setup.layered = layered;
    setup.seed = 20240117;
    setup.arrival = 0.06;
    setup.audit_every = 64;
    ScheduleSimulation simulation(setup);
    simulation.run(steps);
    EXPECT_GT(simulation.finished(), steps / 100);
    EXPECT_GT(simulation.preemptions(), steps / 1000);
    EXPECT_GT(simulation.cached_tokens(), steps / 10);
}

TEST(ScheduleSimulation, a_million_crowded_steps_chunked) {
    run_long(false, 1'000'000);
}

TEST(ScheduleSimulation, a_million_crowded_steps_layered) {
    run_long(true, 1'000'000);
}

}  // namespace
}  // namespace hone::engine
