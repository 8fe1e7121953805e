// The engine's part of the parity promise, on a fake model whose logits depend on every token before: schedules change
// nothing.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/engine/fake_model.h"
#include "tests/parity/random_requests.h"
#include "tests/parity/random_schedule.h"

namespace hone::engine {
namespace {

using testing_models::FakeModel;
using testing_models::test_kernels;

void expect_parity(const FakeModel& model, uint64_t requests_seed, int schedules,
                   parity::ScheduleStatistics& statistics) {
    const auto requests = parity::random_requests(requests_seed, model.spec().vocabulary, 500);
    std::vector<parity::Outcome> expected;
    for (const Request& request : requests) expected.push_back(parity::run_alone(model, test_kernels(), request));
    for (int schedule = 0; schedule < schedules; schedule++) {
        const uint64_t seed = requests_seed * 1000 + static_cast<uint64_t>(schedule);
        const auto outcomes = parity::run_random_schedule(model, test_kernels(), requests, seed, {}, &statistics);
        for (size_t i = 0; i < requests.size(); i++) {
            EXPECT_EQ(parity::difference(expected[i], outcomes[i]), "") << "request " << i << ", schedule " << seed;
        }
        if (testing::Test::HasFailure()) return;
    }
}

TEST(EngineParity, no_schedule_changes_a_bit) {
    const FakeModel model(5, 250);
    parity::ScheduleStatistics statistics;
    for (uint64_t seed = 1; seed <= 10 && !HasFailure(); seed++) expect_parity(model, seed, 20, statistics);
    // The schedules met what they are about.
    EXPECT_GT(statistics.preemptions, statistics.runs);
    EXPECT_GT(statistics.cached_tokens, 20 * statistics.runs);
    EXPECT_GT(statistics.resting_segments, statistics.runs);
    EXPECT_GT(statistics.cancelled, statistics.runs / 4);
    EXPECT_GT(statistics.paused_steps, statistics.runs);
}

TEST(EngineParity, holds_for_any_seed) {
    const FakeModel model(3, 70);
    const bool holds = rc::check([&] {
        parity::ScheduleStatistics statistics;
        expect_parity(model, *rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<uint64_t>()), 1, statistics);
        RC_ASSERT(!testing::Test::HasFailure());
    });
    EXPECT_TRUE(holds);
}

TEST(EngineParity, a_seed_gives_the_same_schedule) {
    const FakeModel model(3, 70);
    const auto requests = parity::random_requests(4, 70, 500);
    parity::ScheduleStatistics first, second;
    parity::run_random_schedule(model, test_kernels(), requests, 8, {}, &first);
    parity::run_random_schedule(model, test_kernels(), requests, 8, {}, &second);
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_EQ(first.cached_tokens, second.cached_tokens);
}

}  // namespace
}  // namespace hone::engine
