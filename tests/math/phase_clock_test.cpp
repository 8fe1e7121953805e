// PhaseClock: the innermost scope gets the time, and nobody is asked where nobody listens.
#include "math/ops/phase_clock.h"

#include <thread>

#include <gtest/gtest.h>

#include "test_context.h"

namespace hone::math {
namespace {

void wait_5_ms() {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST(PhaseClock, InnermostScopeGetsTheTime) {
    TestContext context;
    PhaseClock clock;
    context.op.phases = &clock;
    {
        const PhaseScope experts(context.op, Phase::experts);
        wait_5_ms();
        {
            const PhaseScope quantise(context.op, Phase::quantise);
            wait_5_ms();
            wait_5_ms();
        }
        wait_5_ms();
    }
    clock.enter(Phase::other);
    EXPECT_GE(clock.seconds(Phase::experts), 0.010);
    EXPECT_GE(clock.seconds(Phase::quantise), 0.010);
    EXPECT_EQ(clock.seconds(Phase::dense), 0.0);
    clock.restart();
    EXPECT_EQ(clock.seconds(Phase::experts), 0.0);
}

TEST(PhaseClock, EveryWayHasItsOwnTime) {
    TestContext context;
    PhaseClock clock;
    context.op.phases = &clock;
    const PhaseScope experts(context.op, Phase::experts);
    {
        const WayScope back(context.op, Way::back);
        wait_5_ms();
        EXPECT_EQ(clock.current(), Phase::experts);
    }
    clock.enter(Phase::experts);
    EXPECT_GE(clock.seconds(Phase::experts, Way::back), 0.005);
    EXPECT_LT(clock.seconds(Phase::experts), clock.seconds(Phase::experts, Way::back));
    EXPECT_EQ(clock.seconds(Phase::experts, Way::again), 0.0);
}

TEST(PhaseClock, ScopesWithoutAClockDoNothing) {
    TestContext context;
    const PhaseScope scope(context.op, Phase::experts);
    EXPECT_EQ(context.op.phases, nullptr);
}

}  // namespace
}  // namespace hone::math
