// Benchmarks run models with random weights (model/checkpoint/random_weights.h). Were their tokens to choose the same
// experts, few weights would be read, and every figure would flatter.
#include <gtest/gtest.h>

#include "base/rng.h"
#include "engine/score.h"
#include "model/checkpoint/random_weights.h"
#include "model/checkpoint/shapes.h"
#include "tests/engine/fake_model.h"

namespace hone::engine {
namespace {

constexpr int32_t kExperts = 64, kChosen = 8;

model::LoadedModel deep_model(model::WeightChoice weights) {
    auto config = model::shape_config("tiny-moe").value();
    config["num_hidden_layers"] = 24;
    config["hidden_size"] = 256;
    config["num_experts"] = kExperts;
    config["num_experts_per_tok"] = kChosen;
    ThreadPool pool(2);
    auto made = model::random_model(config, "deep", {.weights = weights, .quiet = true}, pool);
    CHECK(made.ok(), "{}", made.error().message);
    return std::move(*made);
}

class RandomRouting : public testing::TestWithParam<model::WeightChoice> {};

TEST_P(RandomRouting, IsEvenInEveryLayerAndShortContexts) {
    const auto loaded = deep_model(GetParam());
    for (const int32_t tokens : {16, 256}) {
        Random random(3);
        std::vector<int32_t> ids;
        for (int32_t i = 0; i < tokens; i++) ids.push_back(static_cast<int32_t>(random.below(288)));
        ExecutorTaps taps;
        int32_t layers = 0;
        taps.router = [&](int32_t layer, std::span<const RowRange>, const math::Routing& routing) {
            std::vector<int32_t> count(kExperts);
            for (int64_t row = 0; row < routing.experts.rows; row++)
                for (int32_t slot = 0; slot < kChosen; slot++)
                    count[static_cast<size_t>(routing.experts.row(row)[slot])]++;
            // Independent choices leave 1/8 of the experts aside 12 % of the time with 16 tokens: 56 of 64 are chosen.
            EXPECT_GE(kExperts - std::ranges::count(count, 0), 46) << tokens << " tokens, layer " << layer;
            EXPECT_LE(std::ranges::max(count), tokens * 0.6) << tokens << " tokens, layer " << layer;
            layers++;
        };
        auto scorer = Scorer::create(*loaded.model, testing_models::test_kernels(), tokens, 1).value();
        scorer->begin();
        ASSERT_TRUE(scorer
                        ->extend(
                            ids, {}, [](int32_t, math::MatrixView<const float>) {}, taps)
                        .ok());
        EXPECT_EQ(layers, 24);
    }
}

INSTANTIATE_TEST_SUITE_P(Formats, RandomRouting, testing::Values(model::WeightChoice::bf16, model::WeightChoice::int4),
                         [](const auto& info) { return info.param == model::WeightChoice::bf16 ? "bf16" : "int4"; });

}  // namespace
}  // namespace hone::engine
