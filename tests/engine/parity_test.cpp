// The engine's part of the parity promise, on a fake model whose logits depend on every token before: schedules change
// nothing.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/engine/fake_model.h"
#include "tests/parity/random_schedule.h"

namespace hone::engine {
namespace {

using testing_models::FakeModel;
using testing_models::test_kernels;

// Requests of every kind: greedy and drawn, with and without prompt log-probabilities, penalties, stops; choices of one
// prompt.
std::vector<Request> requests_of(uint64_t seed, int32_t vocabulary) {
    Random random(seed, 9);
    std::vector<Request> requests(4);
    for (size_t i = 0; i < requests.size(); i++) {
        Request& request = requests[i];
        const size_t length = 1 + random.below(i == 0 ? 500 : 200);
        if (i == 3) request.prompt = requests[2].prompt;  // another choice
        while (i != 3 && request.prompt.size() < length) {
            const bool shares = i > 0 && request.prompt.size() < std::min<size_t>(100, requests[0].prompt.size());
            request.prompt.push_back(shares ? requests[0].prompt[request.prompt.size()]
                                            : static_cast<int32_t>(random.below(static_cast<uint64_t>(vocabulary))));
        }
        SamplingParams& sampling = request.sampling;
        sampling.seed = random.bits64();
        sampling.choice = i == 3;
        sampling.temperature = random.below(3) == 0 ? 0 : 0.8f;
        if (random.below(3) == 0) sampling.top_k = 30;
        if (random.below(3) == 0) sampling.top_p = 0.9f;
        if (random.below(3) == 0) sampling.repetition_penalty = 1.1f;
        if (random.below(3) == 0) sampling.stop_ids = {3, 4, 5, 6, 7};
        if (random.below(2) == 0) sampling.prompt_logprobs = 1;
        sampling.top_logprobs = 2;
        sampling.max_tokens = static_cast<int32_t>(random.below(70)) + (sampling.prompt_logprobs < 0);
        sampling.min_tokens = std::min(3, sampling.max_tokens);
    }
    return requests;
}

void expect_parity(const FakeModel& model, uint64_t requests_seed, int schedules,
                   parity::ScheduleStatistics& statistics) {
    const auto requests = requests_of(requests_seed, model.spec().vocabulary);
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
}

TEST(EngineParity, holds_for_any_seed) {
    const FakeModel model(3, 70);
    const bool holds = rc::check([&] {
        parity::ScheduleStatistics statistics;
        expect_parity(model, *rc::gen::arbitrary<uint64_t>(), 1, statistics);
        RC_ASSERT(!testing::Test::HasFailure());
    });
    EXPECT_TRUE(holds);
}

TEST(EngineParity, a_seed_gives_the_same_schedule) {
    const FakeModel model(3, 70);
    const auto requests = requests_of(4, 70);
    parity::ScheduleStatistics first, second;
    parity::run_random_schedule(model, test_kernels(), requests, 8, {}, &first);
    parity::run_random_schedule(model, test_kernels(), requests, 8, {}, &second);
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_EQ(first.cached_tokens, second.cached_tokens);
}

}  // namespace
}  // namespace hone::engine
