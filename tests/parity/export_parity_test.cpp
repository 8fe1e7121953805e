// What was trained is what is served: all weights are trained for some steps, exported and loaded again, as a folder and
// packed; every packed weight has the same bytes, and serving says of every token what the training pass said, bit for
// bit. In bf16, and with quantisation-aware training of experts alone and of every matrix, under each class.
#include <gtest/gtest.h>

#include "base/rng.h"
#include "engine/score.h"
#include "model/checkpoint/checkpoint_folder.h"
#include "model/checkpoint/export_weights.h"
#include "model/checkpoint/pack.h"
#include "tests/math/test_context.h"
#include "tests/parity/golden_models.h"
#include "tests/temporary_folder.h"
#include "train/full_parameters.h"
#include "train/losses/tinker.h"
#include "train/optimisers/adamw_state.h"
#include "train/training_pass.h"

namespace hone::parity {
namespace {

constexpr int32_t kTokens = 90;

std::vector<Subject> trained_subjects() {
    std::vector<Subject> list = subjects();
    for (const char* family : {"qwen3_moe", "olmoe"}) {
        for (const math::NumericClass int4_class : math::kNumericClasses) {
            list.push_back({fmt::format("{}_int4_experts_{}", family, math::name_of(int4_class)), family,
                            model::WeightChoice::int4_experts, int4_class});
        }
    }
    return list;
}

// A model whose weights are all trained on one document.
class TrainedModel {
  public:
    TrainedModel(const Subject& subject, ThreadPool& pool)
        : ops_{pool, workspace_, *math::runnable_kernel_tables().back(), subject.int4_class} {
        auto loaded = model::load_model(golden_folder() / "models" / subject.family, {.quiet = true}, pool);
        CHECK(loaded.ok(), "{}", loaded.error().message);
        loaded_ = std::move(*loaded);
        auto parameters = train::FullParameters::create(*loaded_.model, subject.weights, pool);
        CHECK(parameters.ok(), "{}", parameters.error().message);
        parameters_.emplace(std::move(*parameters));
        Random random(3);
        const auto vocabulary = static_cast<uint64_t>(loaded_.model->spec().vocabulary);
        for (int32_t i = 0; i <= kTokens; i++) ids_.push_back(static_cast<int32_t>(random.below(vocabulary)));
    }

    // Large steps, which change many codes.
    void train(int steps, ThreadPool& pool) {
        train::AdamwState optimiser(parameters_->parameters());
        const std::vector<float> weights(kTokens, 1.0f);
        for (int step = 0; step < steps; step++) {
            train::TrainingPass pass(*loaded_.model, ops_, parameters_->gradients());
            const auto loss = train::cross_entropy(forward(pass), weights);
            pass.backward({loss.dlp.data(), kTokens, 1});
            optimiser.step(pool, {.learning_rate = 3e-3});
            parameters_->clear_gradients(ops_.pool);
            parameters_->publish();
        }
    }
    // Of every token but the first, by the training pass.
    std::vector<float> logprobs() {
        const math::WeightGradients nothing;
        train::TrainingPass pass(*loaded_.model, ops_, nothing);
        return forward(pass);
    }
    model::WeightValues masters() const {
        model::WeightValues values;
        for (const auto& parameter : parameters_->parameters()) values.emplace(parameter.name, parameter.values);
        return values;
    }
    model::LoadedModel& loaded() { return loaded_; }
    std::span<const int32_t> ids() const { return ids_; }

  private:
    std::vector<float> forward(train::TrainingPass& pass) {
        std::vector<float> lp(kTokens);
        pass.forward({std::span(ids_).first(kTokens), offsets_, {ids_.data() + 1, kTokens, 1}},
                     {lp.data(), kTokens, 1});
        return lp;
    }

    math::Workspace workspace_;
    math::OpContext ops_;
    model::LoadedModel loaded_;
    std::optional<train::FullParameters> parameters_;
    std::vector<int32_t> ids_;
    const std::vector<int64_t> offsets_ = {0, kTokens};
};

// The same by the passes that serve.
std::vector<float> served_logprobs(const model::Model& model, math::NumericClass int4_class,
                                   std::span<const int32_t> ids) {
    const auto& kernels = *math::runnable_kernel_tables().front();
    auto scorer = engine::Scorer::create(model, kernels, kTokens, 1, int4_class);
    CHECK(scorer.ok(), "{}", scorer.error().message);
    (*scorer)->begin();
    std::vector<float> lp;
    const auto sink = [&](int32_t, math::MatrixView<const float> logits) {
        for (int64_t row = 0; row < logits.rows; row++) {
            const auto normaliser =
                math::log_normaliser(kernels, {logits.row(row), static_cast<size_t>(logits.cols)}, 1);
            lp.push_back(normaliser.logprob(logits.row(row)[ids[lp.size() + 1]]));
        }
    };
    const Status extended = (*scorer)->extend(ids.first(kTokens), {.chunk_tokens = 7}, sink);
    CHECK(extended.ok(), "{}", extended.error().message);
    return lp;
}

std::span<const std::byte> bytes_of(const model::WeightSlot& slot) {
    if (slot.vector) return std::as_bytes(*slot.vector);
    return {slot.matrix->data, math::packed_bytes(slot.matrix->format, slot.n, slot.k)};
}

// Matrices of both models whose packed bytes differ, by name.
std::vector<std::string> differing_weights(model::Model& a, model::Model& b) {
    const auto slots_a = model::list_slots(a).value(), slots_b = model::list_slots(b).value();
    CHECK(slots_a.size() == slots_b.size(), "{} weights, {}", slots_a.size(), slots_b.size());
    std::vector<std::string> names;
    for (size_t i = 0; i < slots_a.size(); i++) {
        if (!std::ranges::equal(bytes_of(slots_a[i]), bytes_of(slots_b[i]))) names.push_back(slots_a[i].name);
    }
    return names;
}

class ExportParity : public testing::TestWithParam<Subject> {};

TEST_P(ExportParity, WhatWasTrainedIsWhatIsServed) {
    const Subject& subject = GetParam();
    ThreadPool pool(2);
    TrainedModel trained(subject, pool);
    const auto untrained = trained.logprobs();
    trained.train(4, pool);
    const auto expected = trained.logprobs();
    ASSERT_NE(expected, untrained);
    const auto given = load_subject(subject);
    const size_t changed = differing_weights(*trained.loaded().model, *given.model).size();
    ASSERT_GT(changed, model::list_slots(*given.model)->size() * 9 / 10);
    const TemporaryFolder place;
    const auto masters = trained.masters();
    for (const auto* values : {static_cast<const model::WeightValues*>(nullptr), &masters}) {
        const std::string folder = place.path / (values ? "masters" : "served"), pack = folder + ".hone";
        const Status exported =
            model::export_model(*trained.loaded().model, trained.loaded().config, trained.loaded().files, folder,
                                {.masters = values, .quiet = true}, pool);
        ASSERT_TRUE(exported.ok()) << exported.error().message;
        const auto packed = model::pack_model(folder, pack, {.weights = subject.weights, .quiet = true}, pool);
        ASSERT_TRUE(packed.ok()) << packed.error().message;
        for (const std::string& path : {folder, pack}) {
            const auto weights = path == pack ? model::WeightChoice::as_stored : subject.weights;
            auto loaded = model::load_model(path, {.weights = weights, .quiet = true}, pool);
            ASSERT_TRUE(loaded.ok()) << loaded.error().message;
            EXPECT_EQ(differing_weights(*trained.loaded().model, *loaded->model), std::vector<std::string>());
            math::expect_same_bits(served_logprobs(*loaded->model, subject.int4_class, trained.ids()), expected, path);
        }
    }
}

// A pack is exported as well as a folder, without training: what is served, once more.
TEST_P(ExportParity, APackIsExportedAndPackedAgain) {
    const Subject& subject = GetParam();
    ThreadPool pool(2);
    const TemporaryFolder place;
    const std::string pack = place.path / "first.hone", folder = place.path / "folder";
    ASSERT_TRUE(model::pack_model(golden_folder() / "models" / subject.family, pack,
                                  {.weights = subject.weights, .quiet = true}, pool)
                    .ok());
    auto loaded = model::load_model(pack, {.quiet = true}, pool);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    const Status exported =
        model::export_model(*loaded->model, loaded->config, loaded->files, folder, {.quiet = true}, pool);
    ASSERT_TRUE(exported.ok()) << exported.error().message;
    auto again = model::load_model(folder, {.weights = subject.weights, .quiet = true}, pool);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(differing_weights(*loaded->model, *again->model), std::vector<std::string>());
    for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json"}) {
        const bool is_given = std::filesystem::exists(golden_folder() / "models" / subject.family / name);
        EXPECT_EQ(std::filesystem::exists(folder + "/" + name), is_given) << name;
    }
}

INSTANTIATE_TEST_SUITE_P(Golden, ExportParity, testing::ValuesIn(trained_subjects()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace hone::parity
