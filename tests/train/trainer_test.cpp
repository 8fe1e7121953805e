// Steps of every kind of job on the golden models: each learns what it is shown, a step is the same however it is cut
// into passes, and no bit depends on the number of threads.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/math/test_context.h"
#include "tests/train/golden_training.h"

namespace hone::train {
namespace {

enum class Kind { cross_entropy, full_distillation, topk_distillation, preference };

// Documents of random tokens; the first third of each is a prompt.
Batch random_batch(uint64_t seed, int documents, int32_t vocabulary) {
    Random random(seed);
    Batch batch;
    for (int d = 0; d < documents; d++) {
        std::vector<int32_t> tokens(6 + random.below(10));
        std::vector<float> weights(tokens.size());
        for (int32_t& token : tokens) token = static_cast<int32_t>(random.below(static_cast<uint64_t>(vocabulary)));
        for (size_t i = 0; i < tokens.size(); i++) weights[i] = i < tokens.size() / 3 ? 0.0f : 1.0f;
        batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end() - 1);
        batch.targets.insert(batch.targets.end(), tokens.begin() + 1, tokens.end());
        batch.weights.insert(batch.weights.end(), weights.begin() + 1, weights.end());
        batch.offsets.push_back(std::ssize(batch.tokens));
        if (d % 2 == 1) batch.pairs.push_back({d - 1, d});
    }
    return batch;
}

// Both in one pass.
Batch joined(const Batch& a, const Batch& b) {
    Batch all = a;
    all.tokens.insert(all.tokens.end(), b.tokens.begin(), b.tokens.end());
    all.targets.insert(all.targets.end(), b.targets.begin(), b.targets.end());
    all.weights.insert(all.weights.end(), b.weights.begin(), b.weights.end());
    const auto documents = static_cast<int32_t>(a.offsets.size()) - 1;
    for (const PreferencePair& pair : b.pairs)
        all.pairs.push_back({documents + pair.chosen, documents + pair.rejected});
    for (size_t d = 1; d < b.offsets.size(); d++) all.offsets.push_back(std::ssize(a.tokens) + b.offsets[d]);
    return all;
}

struct Setup {
    std::string model = "moe";
    Kind kind = Kind::cross_entropy;
    bool is_full = false;
    OptimiserKind optimiser = OptimiserKind::adamw;
    int threads = 2;
    float aux_coefficient = 0;
};

// A job of a golden model. Its teacher is the same model under another adapter, its reference the model alone.
class SmallJob {
  public:
    explicit SmallJob(const Setup& setup)
        : pool_(setup.threads), ops_{pool_, workspace_, *math::runnable_kernel_tables().back()} {
        student_ = load_golden_model(setup.model, pool_);
        frozen_ = load_golden_model(setup.model, pool_);
        if (setup.is_full) {
            auto full = FullParameters::create(*student_.model, model::WeightChoice::bf16, pool_);
            CHECK(full.ok(), "{}", full.error().message);
            weights_.emplace(std::move(*full));
        } else {
            weights_.emplace(TrainedAdapter(*student_.model, {.rank = 8, .alpha = 16, .seed = 3}, pool_));
        }
        CHECK(weights_->publish(pool_).ok(), "publication");
        objective_ = objective_of(setup.kind);
        trainer_.emplace(*student_.model, *weights_, *objective_,
                         OptimiserOptions{.kind = setup.optimiser, .adam = {}, .momentum = 0.95},
                         BalanceOptions{.aux_coefficient = setup.aux_coefficient}, ops_);
    }

    Batch batch(uint64_t seed, int documents) const {
        return random_batch(seed, documents, student_.model->spec().vocabulary);
    }
    StepReport step(std::span<const Batch> passes, double rate) {
        auto report = trainer_->step(passes, rate);
        CHECK(report.ok(), "{}", report.error().message);
        return *report;
    }
    double evaluate(const Batch& batch) { return trainer_->evaluate(batch).loss / trainer_->weight(batch); }
    std::span<const Parameter> parameters() const { return weights_->parameters(); }

  private:
    std::unique_ptr<Objective> objective_of(Kind kind) {
        const bool distills = kind == Kind::full_distillation || kind == Kind::topk_distillation;
        if (kind == Kind::cross_entropy) return cross_entropy_objective();
        if (!distills) return preference_objective({*frozen_.model}, 0.5f);
        TrainedAdapter other(*frozen_.model, {.rank = 4, .alpha = 64, .seed = 5}, pool_);
        Random random(11);
        for (const Parameter& parameter : other.parameters())
            for (float& value : parameter.values) value += 0.05f * random.normal();
        auto published = other.publish(pool_);
        CHECK(published.ok(), "{}", published.error().message);
        teacher_ = *published;
        return distillation_objective({*frozen_.model, teacher_.get()}, kind == Kind::full_distillation ? 0.0f : 0.5f,
                                      kind == Kind::topk_distillation ? 16 : 0);
    }

    ThreadPool pool_;
    math::Workspace workspace_;
    math::OpContext ops_;
    model::LoadedModel student_, frozen_;
    std::shared_ptr<const model::Adapter> teacher_;
    std::optional<TrainedWeights> weights_;
    std::unique_ptr<Objective> objective_;
    std::optional<Trainer> trainer_;
};

constexpr Kind kKinds[] = {Kind::cross_entropy, Kind::full_distillation, Kind::topk_distillation, Kind::preference};

TEST(Trainer, EveryKindLearnsWhatItIsShown) {
    for (const Kind kind : kKinds) {
        for (const bool is_full : {false, true}) {
            SmallJob run({.kind = kind, .is_full = is_full});
            const Batch batch = run.batch(1, 4);
            const double before = run.evaluate(batch);
            double first = 0;
            for (int t = 1; t <= 30; t++) {
                const StepReport report = run.step({&batch, 1}, is_full ? 1e-3 : 3e-3);
                if (t == 1) first = report.loss.loss;
            }
            EXPECT_NEAR(first, before, 1e-5 * std::abs(before)) << static_cast<int>(kind);
            EXPECT_LT(run.evaluate(batch), 0.7 * before) << static_cast<int>(kind) << " " << is_full;
        }
    }
}

TEST(Trainer, MuonLearnsToo) {
    for (const bool is_full : {false, true}) {
        SmallJob run({.is_full = is_full, .optimiser = OptimiserKind::muon});
        const Batch batch = run.batch(1, 4);
        const double before = run.evaluate(batch);
        for (int t = 1; t <= 20; t++) run.step({&batch, 1}, 2e-3);
        EXPECT_LT(run.evaluate(batch), 0.8 * before) << is_full;
    }
}

TEST(Trainer, PassesOfAStepAddUpToOneLargePass) {
    for (const auto& [kind, is_full] : std::vector<std::pair<Kind, bool>>{{Kind::cross_entropy, false},
                                                                          {Kind::full_distillation, false},
                                                                          {Kind::topk_distillation, false},
                                                                          {Kind::preference, false},
                                                                          {Kind::cross_entropy, true},
                                                                          {Kind::preference, true}}) {
        SmallJob one({.kind = kind, .is_full = is_full}), two({.kind = kind, .is_full = is_full});
        const std::vector<Batch> halves = {one.batch(1, 2), one.batch(2, 4)};
        const Batch whole = joined(halves[0], halves[1]);
        for (SmallJob* job : {&one, &two}) {
            // From equal weights: AdamW makes steps of one length from gradients that differ in their last bit alone.
            for (int t = 1; t <= 2; t++) job->step({&whole, 1}, 1e-3);
        }
        const StepReport a = one.step({&whole, 1}, 1e-3), b = two.step(halves, 1e-3);
        EXPECT_EQ(a.tokens, b.tokens);
        EXPECT_NEAR(a.loss.loss, b.loss.loss, 1e-5 * std::abs(a.loss.loss)) << static_cast<int>(kind);
        EXPECT_NEAR(a.gradient_norm, b.gradient_norm, 1e-5 * a.gradient_norm) << static_cast<int>(kind);
    }
}

TEST(Trainer, NoBitDependsOnThreads) {
    for (const Kind kind : kKinds) {
        const auto after_steps = [&](int threads) {
            SmallJob run({.kind = kind, .threads = threads, .aux_coefficient = 0.01f});
            std::vector<float> all;
            const std::vector<Batch> passes = {run.batch(1, 2), run.batch(2, 4)};
            for (int t = 1; t <= 3; t++) {
                const StepReport report = run.step(passes, 1e-3);
                all.push_back(static_cast<float>(report.loss.loss));
                all.push_back(static_cast<float>(report.loss.aux_loss));
            }
            for (const Parameter& parameter : run.parameters())
                all.insert(all.end(), parameter.values.begin(), parameter.values.end());
            return all;
        };
        math::expect_same_bits(after_steps(2), after_steps(1), fmt::format("{}", static_cast<int>(kind)));
    }
}

TEST(Trainer, AGradientThatIsNotFiniteChangesNothing) {
    SmallJob run({});
    Batch batch = run.batch(1, 2);
    run.step({&batch, 1}, 1e-3);
    std::vector<std::vector<float>> before;
    for (const Parameter& parameter : run.parameters())
        before.emplace_back(parameter.values.begin(), parameter.values.end());
    Batch broken = batch;
    broken.weights.back() = std::numeric_limits<float>::infinity();
    EXPECT_TRUE(run.step({&broken, 1}, 1e-3).is_skipped);
    for (size_t i = 0; i < before.size(); i++)
        math::expect_same_bits(run.parameters()[i].values, before[i], run.parameters()[i].name);
    EXPECT_FALSE(run.step({&batch, 1}, 1e-3).is_skipped);
}

}  // namespace
}  // namespace hone::train
