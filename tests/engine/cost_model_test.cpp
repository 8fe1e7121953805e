// The cost model against worlds whose costs are known.

#include "engine/schedule/cost_model.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace hone::engine {
namespace {

constexpr int32_t kLayers = 8;

ModelShape routed_shape() {
    std::vector<int32_t> routed;
    for (int32_t layer = 0; layer < kLayers; layer++) routed.push_back(layer);
    return {kLayers, routed, 64, 8};
}

Segment rows(int32_t first, int32_t count, int32_t first_layer = 0, int32_t end_layer = kLayers) {
    return {.sequence = {1},
            .first_token = first,
            .end_token = first + count,
            .first_layer = first_layer,
            .end_layer = end_layer};
}

TEST(ModelShape, expected_experts_follow_uniform_routing) {
    const ModelShape shape = routed_shape();
    EXPECT_EQ(shape.layers(), kLayers);
    EXPECT_EQ(shape.distinct_experts_1024(0), 0);
    EXPECT_EQ(shape.distinct_experts_1024(1), 8 * 1024);
    EXPECT_EQ(shape.distinct_experts_1024(2), 15 * 1024);  // 8 + 8 * 7/8
    EXPECT_EQ(shape.distinct_experts_1024(100'000), 64 * 1024);
    EXPECT_EQ(ModelShape(3, {}, 0, 0).distinct_experts_1024(5), 0);
    const int32_t last[] = {2};
    EXPECT_EQ(ModelShape(3, last, 4, 2).routed_in(0, 2), 0);
    EXPECT_EQ(ModelShape(3, last, 4, 2).routed_in(1, 3), 1);
}

TEST(LayerWork, is_cut_where_rows_change) {
    const Segment segments[] = {rows(10, 1), rows(0, 100, 2, 4)};
    const auto work = layer_work(segments);
    ASSERT_EQ(work.size(), 3u);
    EXPECT_EQ(work[1].first_layer, 2);
    EXPECT_EQ(work[1].end_layer, 4);
    EXPECT_EQ(work[1].rows, 101);
    EXPECT_EQ(work[1].context, 11 + 100);
    EXPECT_EQ(work[1].pairs, 11 + 5050);
    EXPECT_EQ(work[2].rows, 1);
}

TEST(StepCosts, add_up_and_saturate) {
    const StepCosts costs{.dense = {},
                          .routed = {.fixed = 1, .row = 10, .expert = 100, .context = 1000, .pair = 10000}};
    const Segment one[] = {rows(0, 1)};
    EXPECT_EQ(costs.of(routed_shape(), one), kLayers * (1 + 10 + 8 * 100 + 1000 + 10000));
    const StepCosts endless{.dense = {}, .routed = {.pair = kMostPicoseconds}};
    const Segment many[] = {rows(0, 1 << 20)};
    EXPECT_EQ(endless.of(routed_shape(), many), kMostPicoseconds);
}

double seconds_of(const StepCosts& truth, const ModelShape& shape, const LayerWork& work) {
    return static_cast<double>(truth.of(shape, work)) / kPicosecondsPerSecond / (work.end_layer - work.first_layer);
}

// Decodes at many lengths, and chunks of many sizes after many lengths, each with 5 % noise.
TEST(CostModel, learns_a_linear_world_with_noise) {
    const StepCosts truth{
        .dense = {},
        .routed = {.fixed = 30'000'000, .row = 110'000'000, .expert = 50'000'000, .context = 150'000, .pair = 15'000}};
    CostModel model(routed_shape());
    Random random(1);
    const auto any_work = [&] {
        LayerWork work{.first_layer = 0, .end_layer = kLayers};
        const bool decode = random.below(2) == 0;
        const auto context = static_cast<int32_t>(random.below(6000));
        for (uint64_t i = 0, n = decode ? 1 + random.below(8) : 1; i < n; i++) {
            work.add(rows(context, decode ? 1 : 1 + static_cast<int32_t>(random.below(800))));
        }
        return work;
    };
    for (int i = 0; i < 3000; i++) {
        const LayerWork work = any_work();
        model.observe_layers(work, true, seconds_of(truth, model.shape(), work) * (0.95 + 0.1 * random.uniform()));
    }
    double worst = 0;
    for (int i = 0; i < 200; i++) {
        const LayerWork work = any_work();
        const double estimate = seconds_of(model.costs(), model.shape(), work);
        worst = std::max(worst, std::abs(estimate / seconds_of(truth, model.shape(), work) - 1));
    }
    EXPECT_LT(worst, 0.15);
    EXPECT_NEAR(static_cast<double>(model.costs().routed.row), 110e6, 25e6);
}

// A long time of decoding must not make it forget what prompts cost.
TEST(CostModel, remembers_prompts_through_a_thousand_decodes) {
    const StepCosts truth{.dense = {}, .routed = {.row = 100'000'000, .expert = 50'000'000, .context = 100'000}};
    CostModel model(routed_shape());
    LayerWork prompt{.first_layer = 0, .end_layer = 1}, decode = prompt;
    prompt.add(rows(0, 512));
    for (int i = 0; i < 5; i++) model.observe_layers(prompt, true, seconds_of(truth, model.shape(), prompt));
    for (int i = 0; i < 1000; i++) {
        decode = {.first_layer = 0, .end_layer = 1};
        for (int j = 0; j < 4; j++) decode.add(rows(1000 + i, 1));
        model.observe_layers(decode, true, seconds_of(truth, model.shape(), decode));
    }
    EXPECT_NEAR(seconds_of(model.costs(), model.shape(), prompt) / seconds_of(truth, model.shape(), prompt), 1, 0.1);
    EXPECT_NEAR(seconds_of(model.costs(), model.shape(), decode) / seconds_of(truth, model.shape(), decode), 1, 0.1);
}

TEST(CostModel, follows_a_machine_that_becomes_slower) {
    CostModel model(routed_shape());
    LayerWork work{.first_layer = 0, .end_layer = 1};
    work.add(rows(100, 1));
    for (int i = 0; i < 100; i++) model.observe_layers(work, true, 1e-3);
    EXPECT_NEAR(seconds_of(model.costs(), model.shape(), work), 1e-3, 2e-5);
    for (int i = 0; i < 100; i++) model.observe_layers(work, true, 3e-3);
    EXPECT_NEAR(seconds_of(model.costs(), model.shape(), work), 3e-3, 2e-4);
}

TEST(CostModel, leaves_room_for_the_late_steps_it_saw) {
    CostModel model(routed_shape());
    EXPECT_EQ(model.costs().late_permille, 1100);
    for (int i = 0; i < 64; i++) model.observe_step(1'000'000'000, i % 20 == 0 ? 1.3e-3 : 1e-3);
    EXPECT_EQ(model.costs().late_permille, 1300);
    EXPECT_NEAR(model.error(), 0.015, 0.02);
    for (int i = 0; i < 64; i++) model.observe_step(1'000'000'000, 0.8e-3);
    EXPECT_EQ(model.costs().late_permille, 1000);
    for (int i = 0; i < 64; i++) model.observe_step(1'000'000'000, 1.0);  // no lateness: the machine was taken away
    EXPECT_EQ(model.costs().late_permille, 1500);
}

TEST(CostModel, what_took_no_time_teaches_nothing) {
    CostModel model(routed_shape());
    const StepCosts before = model.costs();
    LayerWork work{.first_layer = 0, .end_layer = 1};
    work.add(rows(0, 5));
    model.observe_layers(work, true, 0);
    model.observe_layers({}, true, 1);
    model.observe_logits(0, 1);
    model.observe_rest(-1);
    EXPECT_EQ(model.costs().routed.row, before.routed.row);
    EXPECT_EQ(model.costs().logits, before.logits);
    EXPECT_EQ(model.costs().step, before.step);
}

}  // namespace
}  // namespace hone::engine
