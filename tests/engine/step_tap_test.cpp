// What who looks on gets of the steps: nothing before somebody does, then every step, or the count of those left out.
#include "engine/step_tap.h"

#include <thread>

#include "tests/engine/loop_fixture.h"

namespace hone::engine {
namespace {

TEST(StepTap, KeepsWhatFitsAndCountsTheRest) {
    StepTap tap;
    tap.record({.seconds = 1}, {});  // nobody looks on: there is no room
    tap.watch(true);
    StepTap::Batch batch;
    tap.take(batch);
    EXPECT_TRUE(batch.steps.empty());
    EXPECT_EQ(batch.dropped, 0u);

    const std::vector<StepPart> parts(StepTap::kMostParts + 5, StepPart{.sequence = 7, .tokens = 1});
    tap.record({.begin = 2, .seconds = 1}, parts);
    tap.record({.begin = 3, .seconds = 1}, std::span(parts).first(2));
    tap.take(batch);
    ASSERT_EQ(batch.steps.size(), 2u);
    EXPECT_EQ(batch.steps[0].parts, static_cast<int32_t>(StepTap::kMostParts));
    EXPECT_EQ(batch.steps[1].parts, 2);
    EXPECT_EQ(batch.parts.size(), StepTap::kMostParts + 2);

    constexpr size_t kExtra = 10;
    for (size_t i = 0; i < StepTap::kSteps + kExtra; ++i) tap.record({.begin = static_cast<double>(i)}, {});
    tap.take(batch);
    EXPECT_EQ(batch.steps.size() + batch.dropped, StepTap::kSteps + kExtra);
    EXPECT_GE(batch.steps.size(), StepTap::kSteps);
    EXPECT_EQ(batch.steps.front().begin, 0);

    tap.record({.seconds = 1}, {});
    tap.watch(false);
    EXPECT_FALSE(tap.watched());
    tap.watch(true);
    tap.take(batch);
    EXPECT_TRUE(batch.steps.empty() && batch.dropped == 0) << "who begins to look on sees what comes from then on";
}

TEST(StepTap, LosesNothingBetweenTwoThreads) {
    StepTap tap;
    tap.watch(true);
    constexpr uint64_t kRecords = 200'000;
    std::atomic<bool> done = false;
    std::thread engine([&] {
        for (uint64_t i = 0; i < kRecords; ++i) {
            const StepPart part{.sequence = i};
            tap.record({.begin = static_cast<double>(i)}, {&part, 1});
        }
        done = true;
    });
    uint64_t steps = 0, dropped = 0;
    double last = -1;
    StepTap::Batch batch;
    for (bool finished = false; !finished;) {
        finished = done;
        tap.take(batch);
        ASSERT_EQ(batch.steps.size(), batch.parts.size());
        for (size_t i = 0; i < batch.steps.size(); ++i) {
            ASSERT_EQ(static_cast<double>(batch.parts[i].sequence), batch.steps[i].begin);
            ASSERT_GT(batch.steps[i].begin, last);
            last = batch.steps[i].begin;
        }
        steps += batch.steps.size();
        dropped += batch.dropped;
    }
    engine.join();
    EXPECT_EQ(steps + dropped, kRecords);
}

class ShownSteps : public LoopFixture {
  protected:
    ShownSteps() : LoopFixture(97) {}

    std::vector<StepTap::Batch> run_shown(StepTap& tap) {
        std::vector<StepTap::Batch> steps;
        while (!loop->idle()) {
            loop->step();
            loop->report();
            loop->show_step();
            tap.take(steps.emplace_back());
        }
        return steps;
    }
};

// Every token crosses every layer once, whatever the policy: rows times layers of what is shown say so, and a token is
// told to have been drawn for each that came.
TEST_F(ShownSteps, AreWhatWasComputed) {
    for (const PrefillPolicy prefill : {PrefillPolicy::automatic, PrefillPolicy::chunked, PrefillPolicy::layered}) {
        SCOPED_TRACE(name_of(prefill));
        StepTap tap;
        start(64, {.limits = {.token_budget = 16, .prefix_cache = false}, .policy = policy_of(prefill), .tap = &tap});
        tap.watch(true);
        const RequestId first = add(request_of(50, {.max_tokens = 9}));
        const RequestId second = add(request_of(7, {.max_tokens = 20}));
        std::map<uint64_t, int64_t> row_layers, drawn;
        double last = 0;
        for (const StepTap::Batch& batch : run_shown(tap)) {
            ASSERT_EQ(batch.steps.size(), 1u);
            EXPECT_GT(batch.steps[0].seconds, 0);
            EXPECT_GE(batch.steps[0].begin, last);
            last = batch.steps[0].begin + batch.steps[0].seconds;
            for (const StepPart& part : batch.parts) {
                row_layers[part.sequence] += int64_t{part.tokens} * (part.end_layer - part.first_layer);
                drawn[part.sequence] += part.emits;
                EXPECT_LE(part.end_layer, model.spec().layers);
                const int32_t prompt = part.sequence == first.value ? 50 : 7;
                EXPECT_EQ(part.decodes, part.first_token >= prompt) << part.first_token;
            }
        }
        EXPECT_EQ(row_layers[first.value], (50 + 8) * model.spec().layers);
        EXPECT_EQ(row_layers[second.value], (7 + 19) * model.spec().layers);
        EXPECT_EQ(drawn[first.value], 9);
        EXPECT_EQ(drawn[second.value], 20);
    }
}

// More streams than parts are told of a step: a prompt beside them is told all the same.
TEST_F(ShownSteps, HavePromptsFirst) {
    StepTap tap;
    constexpr auto kStreams = static_cast<int32_t>(StepTap::kMostParts) + 8;
    start(4 * kStreams,
          {.limits = {.max_batch = kStreams + 1, .token_budget = 256, .prefix_cache = false}, .tap = &tap});
    for (int32_t i = 0; i < kStreams; ++i) add(request_of(2, {.max_tokens = 40}));
    while (loop->metrics().generated_tokens < static_cast<uint64_t>(2 * kStreams)) {
        loop->step();
        loop->report();
        loop->show_step();
    }
    const RequestId prompt = add(request_of(60, {.max_tokens = 1}));
    tap.watch(true);
    int64_t row_layers = 0;
    bool was_beside_all = false;
    for (const StepTap::Batch& batch : run_shown(tap)) {
        for (const StepPart& part : batch.parts) {
            if (part.sequence == prompt.value) row_layers += int64_t{part.tokens} * (part.end_layer - part.first_layer);
        }
        was_beside_all |= batch.parts.size() == StepTap::kMostParts && batch.parts[0].sequence == prompt.value;
    }
    EXPECT_EQ(row_layers, 60 * model.spec().layers);
    EXPECT_TRUE(was_beside_all);
}

TEST_F(ShownSteps, AreNotNotedWhileNobodyLooksOn) {
    StepTap tap;
    start(64, {.tap = &tap});
    add(request_of(20, {.max_tokens = 3}));
    for (const StepTap::Batch& batch : run_shown(tap)) EXPECT_TRUE(batch.steps.empty() && batch.parts.empty());
}

}  // namespace
}  // namespace hone::engine
