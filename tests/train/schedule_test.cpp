// Schedules: their corners, their formulas, that they never rise after the warm-up.

#include "train/schedule.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

namespace hone::train {
namespace {

constexpr Decay kDecays[] = {Decay::constant, Decay::linear, Decay::cosine, Decay::warmup_stable_decay};

Schedule schedule_of(Decay decay) {
    return {
        .decay = decay, .peak = 3e-3, .warmup_steps = 10, .total_steps = 110, .decay_steps = 20, .final_fraction = 0.1};
}

TEST(Schedule, WarmsUpToThePeakThenNeverRises) {
    for (const Decay decay : kDecays) {
        const Schedule schedule = schedule_of(decay);
        for (int64_t step = 1; step <= 10; step++) {
            EXPECT_DOUBLE_EQ(learning_rate(schedule, step), 3e-3 * static_cast<double>(step) / 10);
        }
        for (int64_t step = 11; step < 130; step++) {
            EXPECT_LE(learning_rate(schedule, step), learning_rate(schedule, step - 1));
        }
        EXPECT_DOUBLE_EQ(learning_rate(schedule, 110), decay == Decay::constant ? 3e-3 : 3e-4);
        EXPECT_EQ(learning_rate(schedule, 100000), learning_rate(schedule, 110));
    }
}

TEST(Schedule, FollowsItsFormula) {
    for (int64_t step = 11; step <= 110; step++) {
        const double done = static_cast<double>(step - 10) / 100;
        EXPECT_NEAR(learning_rate(schedule_of(Decay::linear), step), 3e-3 * (0.1 + 0.9 * (1 - done)), 1e-15);
        const double cosine = (1 + std::cos(std::numbers::pi * done)) / 2;
        EXPECT_NEAR(learning_rate(schedule_of(Decay::cosine), step), 3e-3 * (0.1 + 0.9 * cosine), 1e-15);
        const double left = step <= 90 ? 1 : static_cast<double>(110 - step) / 20;
        EXPECT_NEAR(learning_rate(schedule_of(Decay::warmup_stable_decay), step), 3e-3 * (0.1 + 0.9 * left), 1e-15);
    }
}

TEST(Schedule, NeedsNoWarmUpAndMayEndAtZero) {
    const Schedule schedule{.decay = Decay::cosine, .peak = 1, .total_steps = 4};
    EXPECT_NEAR(learning_rate(schedule, 2), 0.5, 1e-15);
    EXPECT_EQ(learning_rate(schedule, 4), 0);
    EXPECT_EQ(learning_rate({.peak = 0.5}, 1), 0.5);
}

}  // namespace
}  // namespace hone::train
