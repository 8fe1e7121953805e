// What was trained, written in either layout, and read again: the same bits; and an adapter that goes on from a file.
#include "model/adapter_file.h"

#include <cmath>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "model/checkpoint/export_weights.h"
#include "model/checkpoint/safetensors.h"
#include "tests/model/checkpoint_files.h"
#include "tests/parity/golden_models.h"
#include "train/adapter.h"
#include "train/training_pass.h"

namespace hone::train {
namespace {

using model::AdapterContents;
using model::AdapterLayout;

// A golden model and an adapter of it that changes everything.
struct Trained {
    ThreadPool pool{2};
    model::LoadedModel loaded;
    TrainedAdapter adapter;

    explicit Trained(const std::string& family = "qwen3_moe", AdapterSpec spec = {.rank = 4, .alpha = 6})
        : loaded(load(family)), adapter(*loaded.model, spec, pool) {
        Random random(7);
        for (const auto& parameter : adapter.parameters())
            for (float& value : parameter.values) value = 0.05f * random.normal();
    }
    static model::LoadedModel load(const std::string& family) {
        return model::load(golden_folder() / "models" / family);
    }
    std::string fingerprint() { return adapter.publish(pool).value()->fingerprint(); }
    std::string fingerprint_of(const std::filesystem::path& folder) {
        const auto adapter = model::load_adapter(folder, model::adapter_targets(*loaded.model), pool);
        return adapter ? (*adapter)->fingerprint() : adapter.error().message;
    }
    std::vector<float> logprobs(const model::Adapter* adapter) {
        math::Workspace workspace;
        math::OpContext ops{pool, workspace, *math::runnable_kernel_tables().back()};
        std::vector<int32_t> tokens, targets;
        for (int32_t i = 0; i < 40; i++) tokens.push_back(5 * i % 200), targets.push_back(7 * i % 200);
        std::vector<float> lp(tokens.size());
        const std::vector<int64_t> offsets = {0, std::ssize(tokens)};
        const math::WeightGradients nothing;
        TrainingPass pass(*loaded.model, ops, nothing, {}, adapter);
        pass.forward({tokens, offsets, {targets.data(), std::ssize(tokens), 1}}, {lp.data(), std::ssize(lp), 1});
        return lp;
    }
};

AdapterContents read(const std::filesystem::path& folder) {
    auto contents = model::read_adapter(folder);
    CHECK(contents.ok(), "{}", contents.error().message);
    return std::move(*contents);
}

std::vector<float> row_of(const model::WeightSlot& slot, int64_t row) {
    std::vector<float> values(static_cast<size_t>(slot.k));
    if (slot.vector)
        values[0] = (*slot.vector)[static_cast<size_t>(row)];
    else
        math::unpack_row(*slot.matrix, row, values.data());
    return values;
}

// Computed here in double precision: within half a bf16 unit of it, and a hair for fp32.
void expect_merged(const model::LoadedModel& base, const AdapterContents& contents, const model::LoadedModel& merged) {
    const auto was = model::slots_of(*base.model), is = model::slots_of(*merged.model);
    ASSERT_EQ(was.size(), is.size());
    int changed = 0;
    for (size_t i = 0; i < was.size(); i++) {
        const auto target = model::target_of_slot(was[i]);
        const auto same = [&](const auto& factors) { return factors.target == target.name; };
        const auto factors = std::ranges::find_if(contents.factors, same);
        for (int64_t row = 0; row < was[i].n; row += 7) {
            std::vector<float> before = row_of(was[i], row), after = row_of(is[i], row);
            std::vector<double> expected(before.begin(), before.end());
            const size_t rank = factors == contents.factors.end() ? 0 : static_cast<size_t>(factors->rank);
            const auto k = static_cast<size_t>(was[i].k), n = static_cast<size_t>(was[i].n);
            const auto expert = static_cast<size_t>(target.expert.value_or(0));
            for (size_t r = 0; r < rank; r++) {
                const auto& [a, b] = std::pair(factors->a, factors->b);
                const float up = b[(expert * n * rank + static_cast<size_t>(row) * rank + r) % b.size()];
                const float* down = &a[(expert * k * rank + r * k) % a.size()];
                for (size_t j = 0; j < k; j++) expected[j] += factors->alpha / factors->rank * up * down[j];
            }
            for (size_t j = 0; j < k; j++) {
                const double tolerance = std::abs(expected[j]) * 0x1.01p-8 + 1e-6;
                ASSERT_NEAR(after[j], expected[j], tolerance) << was[i].name << " " << row << " " << j;
                changed += after[j] != before[j] && rank > 0;
            }
        }
    }
    EXPECT_GT(changed, 100);
}

class AdapterFile : public testing::TestWithParam<const char*> {};

TEST_P(AdapterFile, TinkersLayoutGivesTheSameBits) {
    const TemporaryFolder folder;
    for (const ExpertFactors experts : {ExpertFactors::shared_outer, ExpertFactors::per_expert}) {
        Trained trained(GetParam(), {.rank = 3, .alpha = 7, .experts = experts});
        const auto path = folder.path / std::to_string(static_cast<int>(experts));
        ASSERT_TRUE(write_adapter(path, AdapterLayout::tinker, trained.adapter.contents("base")).ok());
        EXPECT_EQ(trained.fingerprint_of(path), trained.fingerprint());

        const AdapterContents contents = read(path);
        EXPECT_EQ(contents.base_model, "base");
        auto resumed = TrainedAdapter::from(*trained.loaded.model, contents);
        ASSERT_TRUE(resumed.ok()) << resumed.error().message;
        const auto was = trained.adapter.parameters(), is = resumed->parameters();
        ASSERT_EQ(was.size(), is.size());
        for (size_t i = 0; i < was.size(); i++) {
            EXPECT_EQ(was[i].name, is[i].name);
            EXPECT_EQ(was[i].shape, is[i].shape);
            EXPECT_TRUE(std::ranges::equal(was[i].values, is[i].values)) << was[i].name;
        }
        EXPECT_EQ((*resumed->publish(trained.pool))->fingerprint(), trained.fingerprint());
    }
}

TEST_P(AdapterFile, PeftsLayoutGivesTheSameFunction) {
    const TemporaryFolder folder;
    Trained trained(GetParam());
    ASSERT_TRUE(write_adapter(folder.path / "peft", AdapterLayout::peft, trained.adapter.contents()).ok());
    const AdapterContents contents = read(folder.path / "peft");
    const auto matrices = model::fit_adapter(contents, model::adapter_targets(*trained.loaded.model));
    ASSERT_TRUE(matrices.ok()) << matrices.error().message;
    const auto packed = model::Adapter::pack(*matrices, trained.pool).value();
    EXPECT_NE(trained.logprobs(packed.get()), trained.logprobs(nullptr));
    EXPECT_EQ(trained.logprobs(packed.get()), trained.logprobs(trained.adapter.publish(trained.pool)->get()));

    // What is per expert already comes back as it was, from either layout.
    ASSERT_TRUE(write_adapter(folder.path / "again", AdapterLayout::peft, contents).ok());
    EXPECT_EQ(trained.fingerprint_of(folder.path / "again"), packed->fingerprint());
    ASSERT_TRUE(write_adapter(folder.path / "tinker", AdapterLayout::tinker, contents).ok());
    EXPECT_EQ(trained.fingerprint_of(folder.path / "tinker"), packed->fingerprint());
}

INSTANTIATE_TEST_SUITE_P(Models, AdapterFile, testing::Values("qwen3", "qwen3_moe", "olmoe"));

// The merged weight of each matrix is W + alpha/r B A, rounded once; everything else is as it was. Models of bf16 and INT4
// weights, and one whose head is tied to its embedding.
TEST(MergedAdapter, IsAddedToTheWeights) {
    for (const char* family : {"qwen3_moe", "olmoe", "qwen3"}) {
        for (const auto weights : {model::WeightChoice::as_stored, model::WeightChoice::int4}) {
            const TemporaryFolder folder;
            Trained trained(family, {.rank = 3, .alpha = 6});
            trained.loaded = model::load(golden_folder() / "models" / family, weights);
            const AdapterContents contents = trained.adapter.contents();
            const auto out = folder.path / "merged";
            const auto& base = trained.loaded;
            const Status written = model::export_model(*base.model, base.config, base.files, out,
                                                       {.adapter = &contents, .quiet = true}, trained.pool);
            ASSERT_TRUE(written.ok()) << written.error().message;
            expect_merged(base, contents, model::load(out));
            EXPECT_TRUE(std::filesystem::exists(out / "tokenizer.json"));
        }
    }
}

TEST(MergedAdapter, OfATiedHeadIsAHeadOfItsOwn) {
    const TemporaryFolder folder;
    auto config = model::shape("tiny-dense");
    config["tie_word_embeddings"] = true;
    model::write_checkpoint(folder.path / "base", config);
    auto base = model::load(folder.path / "base");
    TrainedAdapter adapter(*base.model, {.rank = 2, .attention = false, .mlp = false}, model::test_pool());
    for (const auto& parameter : adapter.parameters()) std::ranges::fill(parameter.values, 0.5f);
    const AdapterContents contents = adapter.contents();
    const Status written = model::export_model(*base.model, base.config, base.files, folder.path / "merged",
                                               {.adapter = &contents, .quiet = true}, model::test_pool());
    ASSERT_TRUE(written.ok()) << written.error().message;
    const auto merged = model::load(folder.path / "merged");
    EXPECT_EQ(merged.config.at("tie_word_embeddings"), false);
    expect_merged(base, contents, merged);
}

TEST(AdapterFileNames, AreThoseOfTheTwoFormats) {
    const TemporaryFolder folder;
    Trained trained;
    const AdapterContents contents = trained.adapter.contents();
    ASSERT_TRUE(write_adapter(folder.path / "tinker", AdapterLayout::tinker, contents).ok());
    ASSERT_TRUE(write_adapter(folder.path / "peft", AdapterLayout::peft, contents).ok());
    const auto open = [&](const char* layout) {
        return model::SafetensorsFile::open(folder.path / layout / "adapter_model.safetensors").value();
    };
    const auto tinker = open("tinker"), peft = open("peft");
    const auto& spec = trained.loaded.model->spec();
    const std::string layer = "base_model.model.model.layers.0.";
    const auto* shared = tinker.find(layer + "mlp.experts.w1.lora_A.weight");
    ASSERT_NE(shared, nullptr);
    EXPECT_EQ(shared->shape, (math::Shape{1, 4, spec.hidden}));
    const auto* own = tinker.find(layer + "mlp.experts.w2.lora_A.weight");
    ASSERT_NE(own, nullptr);
    EXPECT_EQ(own->shape[0], spec.experts);
    EXPECT_NE(tinker.find("base_model.model.model.unembed_tokens.lora_B.weight"), nullptr);
    const auto* expert = peft.find(layer + "mlp.experts.1.gate_proj.lora_A.weight");
    ASSERT_NE(expert, nullptr);
    EXPECT_EQ(expert->shape, (math::Shape{4, spec.hidden}));
    EXPECT_NE(peft.find("base_model.model.lm_head.lora_B.weight"), nullptr);
    EXPECT_NE(peft.find(layer + "self_attn.q_proj.lora_A.weight"), nullptr);
    const std::string config = model::read_file(folder.path / "peft/adapter_config.json");
    for (const char* part :
         {R"("peft_type":"LORA")", R"("r":4)", R"("lora_alpha":6)", R"("gate_proj")", R"("lm_head")"})
        EXPECT_CONTAINS(config, part);
}

TEST(AdapterFileNames, RanksOfTheirOwnHavePatternsInPeftOnly) {
    const TemporaryFolder folder;
    Trained trained("qwen3");
    AdapterContents contents = trained.adapter.contents();
    auto& factors = contents.factors[1];
    factors.rank = 2, factors.alpha = 5;
    factors.a_shape[0] = factors.b_shape[1] = 2;
    factors.a = factors.a.first(factors.a.size() / 2), factors.b = factors.b.first(factors.b.size() / 2);
    const Status refused = write_adapter(folder.path / "tinker", AdapterLayout::tinker, contents);
    ASSERT_FALSE(refused.ok());
    EXPECT_CONTAINS(refused.error().message, "rank");
    EXPECT_FALSE(std::filesystem::exists(folder.path / "tinker"));
    ASSERT_TRUE(write_adapter(folder.path / "peft", AdapterLayout::peft, contents).ok());
    const AdapterContents back = read(folder.path / "peft");
    for (const auto& was : contents.factors) {
        const auto same = [&](const auto& is) { return is.target == was.target; };
        const auto is = std::ranges::find_if(back.factors, same);
        ASSERT_NE(is, back.factors.end());
        EXPECT_EQ(is->rank, was.rank) << was.target;
        EXPECT_EQ(is->alpha, was.alpha) << was.target;
        EXPECT_TRUE(std::ranges::equal(is->b, was.b)) << was.target;
    }
    const auto resumed = TrainedAdapter::from(*trained.loaded.model, back);
    ASSERT_TRUE(resumed.ok()) << resumed.error().message;
    EXPECT_EQ(resumed->parameters()[2].shape[0], 2);
}

TEST(AdapterFileNames, OneThatIsReplacedStaysUntilTheNewOneIsWhole) {
    const TemporaryFolder folder;
    Trained trained("qwen3");
    const auto write = [&](model::FolderOptions options) {
        return write_adapter(folder.path / "out", AdapterLayout::tinker, trained.adapter.contents(), options);
    };
    ASSERT_TRUE(write({.more = {{"notes/step.txt", "4"}}}).ok());
    EXPECT_CONTAINS(write({}).error().message, "is there already");
    constexpr auto replace = AtomicFolder::Existing::replace;
    EXPECT_FALSE(write({.existing = replace, .more = {{"adapter_model.safetensors/no", ""}}}).ok());
    EXPECT_EQ(model::read_file(folder.path / "out/notes/step.txt"), "4");
    ASSERT_TRUE(write({.existing = replace, .more = {{"step.txt", "8"}}}).ok());
    EXPECT_EQ(model::read_file(folder.path / "out/step.txt"), "8");
    EXPECT_FALSE(std::filesystem::exists(folder.path / "out/notes"));
    EXPECT_EQ(read(folder.path / "out").factors.size(), trained.adapter.contents().factors.size());
}

TEST(AdapterFileNames, AnAdapterOfAnotherModelIsRefused) {
    const TemporaryFolder folder;
    Trained dense("qwen3"), routed("qwen3_moe");
    ASSERT_TRUE(write_adapter(folder.path / "routed", AdapterLayout::tinker, routed.adapter.contents()).ok());
    EXPECT_CONTAINS(dense.fingerprint_of(folder.path / "routed"), "layers.");
    const auto resumed = TrainedAdapter::from(*dense.loaded.model, routed.adapter.contents());
    ASSERT_FALSE(resumed.ok());
}

}  // namespace
}  // namespace hone::train
