// Experts balanced by the biases of routers: the rule by hand, on synthetic logits, and over training; the gradients of a
// model with such routers; and what must not move.
#include "train/balance.h"

#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include "math/ops/router.h"
#include "model/checkpoint/random_weights.h"
#include "model/checkpoint/shapes.h"
#include "model/checkpoint/weight_choice.h"
#include "tests/golden_folder.h"
#include "tests/math/test_context.h"
#include "train/adapter.h"
#include "train/full_parameters.h"
#include "train/losses/tinker.h"
#include "train/optimisers/adamw_state.h"
#include "train/training_pass.h"

namespace hone::train {
namespace {

using math::MatrixView;
using math::random_values;

TEST(Balance, MovesTowardsTheMeanLoadByTheRate) {
    const std::vector<int64_t> selections = {10, 0, 4, 4, 2};  // mean 4
    std::vector<float> bias = {1, 1, 1, 1, 1};
    balance(selections, {.rate = 0.25f}, bias);
    EXPECT_EQ(bias, (std::vector<float>{0.75f, 1.25f, 1, 1, 1.25f}));
    balance(selections, {.rate = 0}, bias);
    EXPECT_EQ(bias, (std::vector<float>{0.75f, 1.25f, 1, 1, 1.25f}));
    balance(std::vector<int64_t>(5), {.rate = 0.25f}, bias);  // nobody came
    EXPECT_EQ(bias, (std::vector<float>{0.75f, 1.25f, 1, 1, 1.25f}));
    balance(selections, {.rate = 0.25f, .is_centred = true}, bias);
    EXPECT_NEAR(std::accumulate(bias.begin(), bias.end(), 0.0), 0, 1e-6);
    EXPECT_NEAR(bias[1] - bias[0], 1, 1e-6);
    const std::vector<int64_t> thirds = {3, 4, 3};  // of a mean that is no float
    std::vector<float> three(3);
    balance(thirds, {.rate = 1}, three);
    EXPECT_EQ(three, (std::vector<float>{1, -1, 1}));
    EXPECT_EQ(maximal_violation(selections), 1.5);
    EXPECT_EQ(maximal_violation(std::vector<int64_t>(5, 7)), 0);
    EXPECT_EQ(maximal_violation(std::vector<int64_t>(5)), 0);
}

// Rows of a router that prefers low experts, new ones each step.
class SyntheticRouter {
  public:
    static constexpr int64_t kRows = 512, kExperts = 16;
    static constexpr int32_t kChosen = 3;

    std::vector<float> logits(uint64_t step) const {
        auto values = random_values(step, kRows * kExperts);
        for (size_t i = 0; i < values.size(); i++) values[i] += 3.0f - 0.4f * static_cast<float>(i % kExperts);
        return values;
    }
    math::RouterSpec spec(std::span<const float> bias) const {
        return {.score = math::RouterScore::sigmoid, .experts_per_token = kChosen, .selection_bias = bias};
    }
    std::vector<int64_t> route(std::span<const float> logits, std::span<const float> bias) {
        math::route(context_.op, spec(bias), {logits.data(), kRows, kExperts},
                    {{experts.data(), kRows, kChosen}, {weights.data(), kRows, kChosen}});
        std::vector<int64_t> selections(kExperts);
        for (const int32_t expert : experts) selections[static_cast<size_t>(expert)]++;
        return selections;
    }

    std::vector<int32_t> experts = std::vector<int32_t>(kRows * kChosen);
    std::vector<float> weights = std::vector<float>(kRows * kChosen);

  private:
    math::TestContext context_;
};

TEST(Balance, AStrongPreferenceBecomesAnEvenLoad) {
    for (const bool is_centred : {false, true}) {
        SyntheticRouter router;
        std::vector<float> bias(SyntheticRouter::kExperts);
        std::vector<int64_t> late(SyntheticRouter::kExperts);
        constexpr int kSteps = 150, kLate = 30;
        for (int step = 0; step < kSteps; step++) {
            const auto logits = router.logits(static_cast<uint64_t>(step));
            const auto selections = router.route(logits, bias);
            if (step == 0) {
                EXPECT_GT(maximal_violation(selections), 2);
            }
            if (step >= kSteps - kLate) std::ranges::transform(late, selections, late.begin(), std::plus());
            balance(selections, {.rate = 0.01f, .is_centred = is_centred}, bias);
        }
        EXPECT_LT(maximal_violation(late), 0.1);
        if (is_centred) {
            EXPECT_NEAR(std::accumulate(bias.begin(), bias.end(), 0.0), 0, 1e-5);
        }
        // The factors are those of the scores alone.
        const auto logits = router.logits(kSteps);
        router.route(logits, bias);
        for (int64_t i = 0; i < SyntheticRouter::kRows; i++) {
            double sum = 0;
            const auto score = [&](int64_t slot) {
                const auto expert = router.experts[static_cast<size_t>(i * SyntheticRouter::kChosen + slot)];
                return 1 / (1 + std::exp(-double{logits[static_cast<size_t>(i * SyntheticRouter::kExperts + expert)]}));
            };
            for (int64_t slot = 0; slot < SyntheticRouter::kChosen; slot++) sum += score(slot);
            for (int64_t slot = 0; slot < SyntheticRouter::kChosen; slot++) {
                ASSERT_NEAR(router.weights[static_cast<size_t>(i * SyntheticRouter::kChosen + slot)], score(slot) / sum,
                            1e-6);
            }
        }
    }
}

// A model with balanced routers, all its weights, and batches whose tokens are far from evenly frequent.
class BalancedRun {
  public:
    explicit BalancedRun(model::LoadedModel loaded, int threads = 2,
                         const math::KernelTable& kernels = *math::runnable_kernel_tables().back())
        : pool_(threads), ops_{pool_, workspace_, kernels}, loaded_(std::move(loaded)) {
        auto created = FullParameters::create(*loaded_.model, model::WeightChoice::as_stored, pool_);
        CHECK(created.ok(), "{}", created.error().message);
        parameters_.emplace(std::move(*created));
        balance_.emplace(model().spec().routed_layers, parameters_->router_biases());
        optimiser_.emplace(parameters_->parameters());
    }

    // From scratch.
    static model::LoadedModel random() {
        ThreadPool pool(1);
        const auto config = model::shape_config("tiny-minimax-m2");
        auto made = model::random_model(*config, "it", {.quiet = true}, pool);
        CHECK(made.ok(), "{}", made.error().message);
        return std::move(*made);
    }
    static model::LoadedModel golden() {
        ThreadPool pool(1);
        auto loaded = model::load_model(golden_folder() / "models" / "minimax_m2", {.quiet = true}, pool);
        CHECK(loaded.ok(), "{}", loaded.error().message);
        return std::move(*loaded);
    }

    model::Model& model() { return *loaded_.model; }
    FullParameters& parameters() { return *parameters_; }
    ThreadPool& pool() { return pool_; }

    // The loss of the batch; its gradients are added up if asked for.
    double loss(uint64_t batch, bool with_gradients) {
        constexpr int64_t kRows = 256, kDocument = 64;
        Random random(batch, 5);
        const int32_t vocabulary = model().spec().vocabulary;
        std::vector<int32_t> tokens(kRows), targets(kRows);
        for (auto& token : tokens) {
            const double u = random.uniform();
            token = static_cast<int32_t>(u * u * u * vocabulary);
        }
        for (size_t i = 0; i < tokens.size(); i++) targets[i] = (5 * tokens[i] + 3) % vocabulary;
        std::vector<int64_t> offsets;
        for (int64_t at = 0; at <= kRows; at += kDocument) offsets.push_back(at);
        std::vector<float> lp(kRows);
        const auto keep = [&](int32_t layer, MatrixView<const float> logits, const math::Routing& routing) {
            if (keeps_choices) keep_choice(layer, logits, routing);
        };
        const model::RouterTap tap(keep);
        TrainingPass pass(model(), ops_, parameters_->gradients(), {.router_tap = &tap});
        pass.forward({tokens, offsets, {targets.data(), kRows, 1}}, {lp.data(), kRows, 1});
        balance_->add(pass.selections());
        const TokenLoss loss = cross_entropy(lp, std::vector<float>(kRows, 1));
        if (with_gradients) pass.backward({loss.dlp.data(), kRows, 1});
        return loss.sum;
    }

    // A step of training; the violation of its load.
    double step(uint64_t batch, double learning_rate, const BalanceSpec& spec) {
        last_loss = loss(batch, true);
        const double violation = balance_->violation();
        optimiser_->step(pool_, {.learning_rate = learning_rate});
        balance_->step(spec);
        parameters_->clear_gradients(ops_.pool);
        parameters_->publish();
        return violation;
    }

    // Every weight as passes read it.
    std::map<std::string, std::vector<float>> weights() {
        std::map<std::string, std::vector<float>> all;
        model().visit([&](const model::WeightSlot& slot) {
            auto& values = all[slot.name];
            values.resize(static_cast<size_t>(slot.n) * static_cast<size_t>(slot.k));
            if (slot.vector) std::ranges::copy(*slot.vector, values.begin());
            for (int32_t row = 0; slot.matrix && row < slot.n; row++)
                math::unpack_row(*slot.matrix, row, &values[static_cast<size_t>(row) * static_cast<size_t>(slot.k)]);
        });
        return all;
    }

    double last_loss = 0;
    bool keeps_choices = false;  // each layer chooses what it chose first, with the factors of the scores as they are

  private:
    void keep_choice(int32_t layer, MatrixView<const float> logits, const math::Routing& routing) {
        const auto [kept, is_first] = choices_.try_emplace(layer);
        for (int64_t i = 0; i < routing.experts.rows; i++) {
            const std::span<int32_t> experts = routing.experts.row_span(i);
            const size_t k = experts.size();
            if (is_first) kept->second.emplace_back(experts.begin(), experts.end());
            std::ranges::copy(kept->second[static_cast<size_t>(i)], experts.begin());
            double sum = 0;
            const auto score = [&](size_t slot) { return 1 / (1 + std::exp(-double{logits.row(i)[experts[slot]]})); };
            for (size_t slot = 0; slot < k; slot++) sum += score(slot);
            for (size_t slot = 0; slot < k; slot++)
                routing.weights.row(i)[slot] = static_cast<float>(score(slot) / sum);
        }
    }

    ThreadPool pool_;
    math::Workspace workspace_;
    math::OpContext ops_;
    model::LoadedModel loaded_;
    std::optional<FullParameters> parameters_;
    std::optional<ExpertBalance> balance_;
    std::optional<AdamwState> optimiser_;
    std::map<int32_t, std::vector<std::vector<int32_t>>> choices_;  // of each layer and row
};

TEST(Balance, TrainingFromScratchIsMoreEvenWithIt) {
    constexpr int kSteps = 60, kMean = 15;
    std::map<float, double> violation, loss;
    for (const float rate : {0.0f, 0.005f}) {
        BalancedRun run(BalancedRun::random());
        for (int step = 0; step < kSteps; step++) {
            const double now = run.step(static_cast<uint64_t>(step), 2e-3, {.rate = rate});
            if (step >= kSteps - kMean) violation[rate] += now / kMean, loss[rate] += run.last_loss / kMean;
        }
    }
    RecordProperty("violation_without", std::to_string(violation[0]));
    RecordProperty("violation_with", std::to_string(violation[0.005f]));
    EXPECT_LT(violation[0.005f], 0.6 * violation[0]);
    EXPECT_LT(loss[0.005f], 1.1 * loss[0]);  // it learns as well
}

TEST(Balance, NothingMovesAtRatesOfZero) {
    BalancedRun run(BalancedRun::golden());
    const auto before = run.weights();
    const double loss = run.loss(0, false);
    for (uint64_t step = 0; step < 5; step++) run.step(step, 0, {.rate = 0, .is_centred = true});
    for (const auto& [name, values] : run.weights()) math::expect_same_bits(values, before.at(name), name);
    EXPECT_EQ(run.loss(0, false), loss);
    // And the biases alone at a learning rate of zero.
    run.step(0, 0, {.rate = 0.5f});
    for (const auto& [name, values] : run.weights()) {
        const bool is_bias = name.ends_with("e_score_correction_bias");
        EXPECT_EQ(values != before.at(name), is_bias) << name;
    }
    EXPECT_NE(run.loss(0, false), loss);
}

TEST(Balance, NoBitDependsOnKernelsOrThreads) {
    std::map<std::string, std::vector<float>> expected;
    for (const math::KernelTable* kernels : math::runnable_kernel_tables()) {
        for (const int threads : {1, 2}) {
            BalancedRun run(BalancedRun::random(), threads, *kernels);
            for (uint64_t step = 0; step < 3; step++) run.step(step, 1e-3, {.rate = 0.01f});
            const auto weights = run.weights();
            if (expected.empty()) expected = weights;
            for (const auto& [name, values] : weights) math::expect_same_bits(values, expected.at(name), name);
        }
    }
}

// The bias is no parameter of gradients or adapters, and what the checkpoint says stays.
TEST(Balance, TheBiasIsKeptApart) {
    auto loaded = BalancedRun::golden();
    std::map<std::string, std::vector<float>> stored;
    loaded.model->visit([&](const model::WeightSlot& slot) {
        if (slot.role == model::WeightRole::router_bias) stored[slot.name] = {slot.vector->begin(), slot.vector->end()};
    });
    BalancedRun run(std::move(loaded));
    EXPECT_EQ(stored.size(), run.model().spec().routed_layers.size());
    const auto biases = run.parameters().router_biases();
    ASSERT_EQ(biases.size(), stored.size());
    for (const Parameter& bias : biases) {
        EXPECT_TRUE(bias.gradient.empty());
        math::expect_same_bits(bias.values, stored.at(bias.name), bias.name);
    }
    for (const Parameter& parameter : run.parameters().parameters()) EXPECT_FALSE(stored.contains(parameter.name));
    size_t slots = 0;
    run.model().visit([&](const model::WeightSlot&) { slots++; });
    EXPECT_EQ(run.parameters().parameters().size() + biases.size(), slots);
    TrainedAdapter adapter(run.model(), {.rank = 2}, run.pool());
    std::map<std::string, math::Shape> adapted;
    for (const Parameter& parameter : adapter.parameters()) {
        EXPECT_EQ(parameter.name.find("bias"), std::string::npos) << parameter.name;
        adapted[parameter.name] = parameter.shape;
    }
    const std::string experts = "base_model.model.model.layers.0.block_sparse_moe.experts.";
    const auto inner = adapted.at(experts + "w1.lora_B.weight")[1], hidden = int64_t{run.model().spec().hidden};
    EXPECT_EQ(adapted.at(experts + "w1.lora_A.weight"), (math::Shape{1, 2, hidden}));
    EXPECT_EQ(adapted.at(experts + "w2.lora_A.weight"), (math::Shape{run.model().spec().experts, 2, inner}));
    EXPECT_EQ(adapted.at(experts + "w2.lora_B.weight"), (math::Shape{1, hidden, 2}));
}

// Each kind of weight, moved where its gradient says, changes the loss by as much as it says. Masters move by what outlives
// the rounding to bf16, and the distance is measured behind it. Choices stay: no gradient knows of another one.
TEST(Balance, WholeModelGradientsAreDifferencesOfTheLoss) {
    BalancedRun run(BalancedRun::golden());
    run.keeps_choices = true;
    run.loss(1, true);
    std::map<model::WeightRole, std::vector<const Parameter*>> kinds;
    run.model().visit([&](const model::WeightSlot& slot) {
        for (const Parameter& parameter : run.parameters().parameters()) {
            if (parameter.name == slot.name) kinds[slot.role].push_back(&parameter);
        }
    });
    EXPECT_EQ(kinds.size(), 6u);
    for (const auto& [role, parameters] : kinds) {
        std::map<std::string, std::vector<float>> weights[2];
        double loss[2];
        for (const int side : {0, 1}) {
            std::vector<std::vector<float>> stored;
            for (const Parameter* parameter : parameters) {
                stored.emplace_back(parameter->values.begin(), parameter->values.end());
                for (size_t i = 0; i < parameter->values.size(); i++) {
                    const float by = std::copysign(parameter->values[i] * 0x1p-7f, parameter->gradient[i]);
                    parameter->values[i] += side == 0 ? -by : by;
                }
            }
            run.parameters().publish();
            weights[side] = run.weights();
            loss[side] = run.loss(1, false);
            for (size_t i = 0; i < stored.size(); i++) std::ranges::copy(stored[i], parameters[i]->values.begin());
        }
        double expected = 0;
        for (const Parameter* parameter : parameters) {
            const auto &below = weights[0].at(parameter->name), &above = weights[1].at(parameter->name);
            for (size_t i = 0; i < above.size(); i++)
                expected += (double{above[i]} - below[i]) * double{parameter->gradient[i]};
        }
        EXPECT_NEAR((loss[1] - loss[0]) / expected, 1, 0.05) << model::name_of(role);
    }
}

}  // namespace
}  // namespace hone::train
