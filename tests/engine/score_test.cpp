#include "engine/score.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/engine/fake_model.h"

namespace hone::engine {
namespace {

using testing_models::FakeModel;
using testing_models::test_kernels;

class ScoreTest : public testing::Test {
  protected:
    std::vector<float> logits_of(std::span<const int32_t> ids, const ScoreSchedule& schedule) {
        std::vector<float> all;
        const Status status = scorer->extend(ids, schedule, [&](int32_t first, math::MatrixView<const float> logits) {
            EXPECT_EQ(first * int64_t{model.spec().vocabulary}, base + std::ssize(all));
            all.insert(all.end(), logits.data, logits.data + logits.rows * logits.cols);
        });
        EXPECT_TRUE(status.ok());
        base += std::ssize(all);
        return all;
    }
    void begin() {
        scorer->begin();
        base = 0;
    }

    FakeModel model{5, 40, 300};
    std::unique_ptr<Scorer> scorer = std::move(*Scorer::create(model, test_kernels(), 300, 1));
    std::vector<int32_t> ids = [] {
        std::vector<int32_t> tokens;
        Random random(4);
        for (int i = 0; i < 300; i++) tokens.push_back(static_cast<int32_t>(random.below(40)));
        return tokens;
    }();
    int64_t base = 0;
};

TEST_F(ScoreTest, the_schedule_changes_nothing) {
    begin();
    const auto whole = logits_of(ids, {.chunk_tokens = 1000, .layers_per_step = 0});
    EXPECT_EQ(whole.size(), 300u * 40);
    for (const ScoreSchedule schedule :
         {ScoreSchedule{1, 0}, ScoreSchedule{64, 2}, ScoreSchedule{77, 1}, ScoreSchedule{300, 9}}) {
        begin();
        EXPECT_EQ(logits_of(ids, schedule), whole) << schedule.chunk_tokens;
    }
    begin();
    auto parts = logits_of(std::span(ids).first(100), {});
    const auto rest = logits_of(std::span(ids).subspan(100), {});
    parts.insert(parts.end(), rest.begin(), rest.end());
    EXPECT_EQ(parts, whole);
}

TEST_F(ScoreTest, taps_see_every_layer) {
    begin();
    std::vector<std::pair<int32_t, int32_t>> hidden, router;
    ExecutorTaps taps;
    taps.hidden = [&](int32_t layer, std::span<const RowRange> ranges, math::MatrixView<const float> x) {
        EXPECT_EQ(x.rows, ranges[0].rows);
        hidden.emplace_back(layer, scorer->chunk_position());
    };
    taps.router = [&](int32_t layer, std::span<const RowRange>, const math::Routing& routing) {
        EXPECT_EQ(routing.experts.cols, 2);
        router.emplace_back(layer, scorer->chunk_position());
    };
    ASSERT_TRUE(scorer
                    ->extend(
                        std::span(ids).first(20), {.chunk_tokens = 16, .layers_per_step = 3},
                        [](int32_t, math::MatrixView<const float>) {}, taps)
                    .ok());
    std::vector<std::pair<int32_t, int32_t>> expected;
    for (const int32_t first : {0, 16}) {
        for (int32_t layer = 0; layer < 5; layer++) expected.emplace_back(layer, first);
    }
    EXPECT_EQ(hidden, expected);
    EXPECT_EQ(router, expected);
}

TEST_F(ScoreTest, refuses_what_it_cannot_score) {
    const ScoreSink ignore = [](int32_t, math::MatrixView<const float>) {};
    begin();
    std::vector<int32_t> bad{1, 2, 40};
    EXPECT_EQ(scorer->extend(bad, {}, ignore).error().message,
              "token 40 at position 2 is outside the vocabulary of 40");
    ids.push_back(0);
    EXPECT_EQ(scorer->extend(ids, {}, ignore).error().message, "a sequence of 301 tokens is longer than 300");
    EXPECT_EQ(scorer->length(), 0);
    EXPECT_FALSE(Scorer::create(model, test_kernels(), 301, 1).ok());
}

}  // namespace
}  // namespace hone::engine
