// One arithmetic for sampling and training: what was said of a token when it was sampled, under any schedule, is what
// the training pass says of it, among other documents, bit for bit. So the first ratio of the two is exactly 1 and their
// divergence exactly 0.
#include <set>

#include <gtest/gtest.h>

#include "tests/parity/golden_models.h"
#include "tests/parity/random_requests.h"
#include "tests/parity/random_schedule.h"
#include "tests/temporary_folder.h"
#include "train/adapter.h"
#include "train/balance.h"
#include "train/full_parameters.h"
#include "train/losses/group.h"
#include "train/training_pass.h"

namespace hone::parity {
namespace {

// Documents end to end, each token with the next one of its document for a target.
struct Documents {
    std::vector<int32_t> tokens, targets;
    std::vector<int64_t> offsets = {0};
    std::vector<float> sampled, advantages;  // log-probability of a sampled target, and 1; 0 where it was given

    void add(const engine::Request& request, const Outcome& outcome) {
        std::vector<int32_t> document = request.prompt;
        for (const auto& record : outcome.tokens) document.push_back(record.token);
        const size_t given = request.prompt.size();
        for (size_t i = 0; i + 1 < document.size(); i++) {
            const bool is_sampled = i + 1 >= given;
            tokens.push_back(document[i]);
            targets.push_back(document[i + 1]);
            sampled.push_back(is_sampled ? outcome.tokens[i + 1 - given].raw_logprob : 0);
            advantages.push_back(is_sampled ? 1 : 0);
        }
        offsets.push_back(std::ssize(tokens));
    }
};

class TrainingParity : public testing::TestWithParam<Subject> {};

TEST_P(TrainingParity, TrainingSaysWhatSamplingSaid) {
    const auto loaded = load_subject(GetParam());
    const auto& model = *loaded.model;
    const RandomScheduleOptions options{.max_threads = 2, .int4_class = GetParam().int4_class};
    for (const uint64_t seed : {1, 2}) {
        const auto& kernels = *math::runnable_kernel_tables()[seed % math::runnable_kernel_tables().size()];
        auto requests = random_requests(seed, model.spec().vocabulary, 600, true);
        const auto outcomes = run_random_schedule(model, kernels, requests, seed, options);
        Documents documents;
        for (size_t i = 0; i < requests.size(); i++) {
            ASSERT_TRUE(outcomes[i].finish) << outcomes[i].message;
            documents.add(requests[i], outcomes[i]);
        }
        ThreadPool pool(2);
        math::Workspace workspace;
        math::OpContext ops{pool, workspace, kernels, GetParam().int4_class};
        const math::WeightGradients nothing;
        train::TrainingPass pass(model, ops, nothing);
        const auto rows = std::ssize(documents.tokens);
        std::vector<float> lp(static_cast<size_t>(rows));
        pass.forward({documents.tokens, documents.offsets, {documents.targets.data(), rows, 1}}, {lp.data(), rows, 1});
        int sampled = 0;
        for (size_t i = 0; i < lp.size(); i++) {
            if (documents.advantages[i] == 0) continue;
            sampled++;
            ASSERT_TRUE(same_bits(lp[i], documents.sampled[i]))
                << i << ": " << lp[i] << " for " << documents.sampled[i];
        }
        ASSERT_GT(sampled, 10);
        const auto loss = train::importance_sampling(kernels, {lp, documents.sampled, documents.advantages});
        for (size_t i = 0; i < lp.size(); i++) ASSERT_EQ(loss.dlp[i], -documents.advantages[i]);
        const auto kl =
            train::kl_estimate(kernels, train::KlEstimator::k3, lp, documents.sampled, documents.advantages);
        ASSERT_EQ(kl.sum, 0);
    }
}

// The model's own weights and two adapters that change what it says.
std::vector<std::shared_ptr<const model::Adapter>> make_versions(model::Model& model, ThreadPool& pool) {
    std::vector<std::shared_ptr<const model::Adapter>> versions = {nullptr};
    for (const uint64_t seed : {1, 2}) {
        train::TrainedAdapter adapter(model, {.rank = 4, .seed = seed}, pool);
        Random random(seed);
        for (const auto& parameter : adapter.parameters()) {
            for (float& value : parameter.values) value = 0.05f * random.normal();
        }
        versions.push_back(adapter.publish(pool).value());
        EXPECT_EQ((*adapter.publish(pool))->fingerprint(), versions.back()->fingerprint());
    }
    EXPECT_NE(versions[1]->fingerprint(), versions[2]->fingerprint());
    return versions;
}

// What training says of a request's tokens and, where it was told, its prompt: of each under the version that is recorded
// for it, given all the text before it. Gives the number of versions.
size_t expect_training_agrees(const model::Model& model, math::OpContext& ops, const engine::Request& request,
                              const Outcome& outcome) {
    Documents document;
    document.add(request, outcome);
    const auto rows = std::ssize(document.tokens);
    const math::WeightGradients nothing;
    std::set<std::shared_ptr<const model::Adapter>> versions(outcome.versions.begin(), outcome.versions.end());
    if (!outcome.prompt.empty()) versions.insert(outcome.prompt_version);
    for (const auto& version : versions) {
        train::TrainingPass pass(model, ops, nothing, {}, version.get());
        std::vector<float> lp(static_cast<size_t>(rows));
        pass.forward({document.tokens, document.offsets, {document.targets.data(), rows, 1}}, {lp.data(), rows, 1});
        const size_t first = request.prompt.size() - 1;
        for (size_t t = 0; t < outcome.tokens.size(); t++) {
            if (outcome.versions[t] != version) continue;
            EXPECT_TRUE(same_bits(lp[first + t], outcome.tokens[t].raw_logprob)) << "token " << t;
        }
        for (size_t t = 0; t < outcome.prompt.size() && version == outcome.prompt_version; t++) {
            EXPECT_TRUE(same_bits(lp[t], outcome.prompt[t].raw_logprob)) << "token " << t << " of the prompt";
        }
        if (testing::Test::HasFailure()) break;
    }
    return versions.size();
}

// The same where every request has the model's own weights or one of two adapters, all in one batch, and every other one
// moves between them as it runs: what was sampled under a version is what training says of it under that version.
TEST_P(TrainingParity, EveryVersionSaysWhatItSampled) {
    auto loaded = load_subject(GetParam());
    auto& model = *loaded.model;
    const auto& kernels = *math::runnable_kernel_tables().back();
    ThreadPool pool(2);
    math::Workspace workspace;
    math::OpContext ops{pool, workspace, kernels, GetParam().int4_class};
    const auto versions = make_versions(model, pool);
    auto requests = random_requests(5, model.spec().vocabulary, 300, true);
    const size_t given = requests.size();
    for (size_t i = 0; i < given; i++) requests.push_back(requests[i]);  // the same prompts under another version
    for (size_t i = 0; i < requests.size(); i++) requests[i].adapter = versions[(i + i / given) % versions.size()];
    const TemporaryFolder evicted;
    for (const auto& moved : {std::vector<std::shared_ptr<const model::Adapter>>(), versions}) {
        ScheduleStatistics statistics;
        size_t most_versions = 0;
        for (const uint64_t seed : {1, 2, 3}) {
            RandomScheduleOptions options{.max_threads = 2, .int4_class = GetParam().int4_class};
            options.versions = moved;
            options.spill_folder = evicted.path;
            const auto outcomes = run_random_schedule(model, kernels, requests, seed, options, &statistics);
            for (size_t i = 0; i < requests.size(); i++) {
                ASSERT_TRUE(outcomes[i].finish) << outcomes[i].message;
                const size_t own = expect_training_agrees(model, ops, requests[i], outcomes[i]);
                ASSERT_FALSE(HasFailure()) << "request " << i << ", schedule " << seed;
                if (i % 2 > 0 || moved.empty()) {
                    ASSERT_LE(own, 1u);
                }
                most_versions = std::max(most_versions, own);
            }
        }
        EXPECT_EQ(most_versions > 1 && statistics.moves > 10, !moved.empty());
    }
}

// The biases that a balance has moved are those that sampling chooses by, and training too.
void expect_balanced_parity(const Subject& subject, model::Model& model, train::FullParameters& parameters,
                            ThreadPool& pool) {
    const auto& kernels = *math::runnable_kernel_tables().back();
    math::Workspace workspace;
    math::OpContext ops{pool, workspace, kernels, subject.int4_class};
    const auto requests = random_requests(7, model.spec().vocabulary, 200, true);
    const RandomScheduleOptions options{.max_threads = 2, .int4_class = subject.int4_class};
    train::ExpertBalance balance(model.spec().routed_layers, parameters.router_biases());
    std::vector<std::vector<float>> sampled;
    for (const float rate : {0.0f, 0.2f, 0.0f}) {
        const auto outcomes = run_random_schedule(model, kernels, requests, sampled.size(), options);
        Documents documents;
        for (size_t i = 0; i < requests.size(); i++) documents.add(requests[i], outcomes[i]);
        const auto rows = std::ssize(documents.tokens);
        std::vector<float> lp(static_cast<size_t>(rows));
        train::TrainingPass pass(model, ops, parameters.gradients());
        pass.forward({documents.tokens, documents.offsets, {documents.targets.data(), rows, 1}}, {lp.data(), rows, 1});
        for (size_t i = 0; i < lp.size(); i++) {
            if (documents.advantages[i] == 0) continue;
            ASSERT_TRUE(same_bits(lp[i], documents.sampled[i])) << subject.name << " " << i;
        }
        sampled.push_back(documents.sampled);
        balance.add(pass.selections());
        balance.step({.rate = rate});
    }
    EXPECT_EQ(sampled[0], sampled[1]) << subject.name;  // nothing has moved yet
    EXPECT_NE(sampled[1], sampled[2]) << subject.name;
}

TEST(BalanceParity, BalancedBiasesAreSampledWith) {
    int balanced = 0;
    for (const Subject& subject : subjects()) {
        const auto loaded = load_subject(subject);
        ThreadPool pool(2);
        auto parameters = train::FullParameters::create(*loaded.model, subject.weights, pool);
        ASSERT_TRUE(parameters.ok()) << parameters.error().message;
        if (parameters->router_biases().empty()) continue;
        expect_balanced_parity(subject, *loaded.model, *parameters, pool);
        balanced++;
    }
    EXPECT_GT(balanced, 0);
}

// What the way back computes again is what the forward pass computed: gradients of `trained` are the same whether results
// were kept for it, some of them, or none.
void expect_same_whatever_is_kept(const model::Model& model, math::OpContext& ops, auto& trained,
                                  const model::Adapter* adapter) {
    constexpr int64_t kRows = 100;
    std::vector<int32_t> tokens(kRows), targets(kRows);
    for (size_t i = 0; i < tokens.size(); i++) {
        tokens[i] = static_cast<int32_t>(5 * i) % model.spec().vocabulary;
        targets[i] = static_cast<int32_t>(7 * i) % model.spec().vocabulary;
    }
    const std::vector<int64_t> offsets = {0, 70, kRows};
    const std::vector<float> dlogprobs(kRows, -1.0f);
    const auto gradients = [&](size_t activation_bytes) {
        trained.clear_gradients(ops.pool);
        std::vector<float> all(kRows);
        train::TrainingPass pass(model, ops, trained.gradients(), {.activation_bytes = activation_bytes}, adapter);
        pass.run({tokens, offsets, {targets.data(), kRows, 1}}, {all.data(), kRows, 1}, {dlogprobs.data(), kRows, 1});
        for (const auto& parameter : trained.parameters())
            all.insert(all.end(), parameter.gradient.begin(), parameter.gradient.end());
        return all;
    };
    const auto kept = gradients(size_t{1} << 30);
    const size_t inputs = static_cast<size_t>((model.spec().layers + 1) * kRows * model.spec().hidden) * sizeof(float);
    for (const size_t bytes : {size_t{0}, inputs, 2 * inputs}) {
        const auto computed = gradients(bytes);
        for (size_t i = 0; i < kept.size(); i++)
            ASSERT_TRUE(same_bits(computed[i], kept[i])) << bytes << " bytes: " << i << " of " << kept.size();
    }
    ASSERT_TRUE(std::ranges::any_of(std::span(kept).subspan(kRows), [](float value) { return value != 0; }));
}

TEST_P(TrainingParity, WhatIsComputedAgainIsWhatWasComputed) {
    const auto loaded = load_subject(GetParam());
    ThreadPool pool(2);
    math::Workspace workspace;
    math::OpContext ops{pool, workspace, *math::runnable_kernel_tables().back(), GetParam().int4_class};
    train::TrainedAdapter adapter(*loaded.model, {.rank = 4}, pool);
    Random random(1);
    for (const auto& parameter : adapter.parameters()) {
        for (float& value : parameter.values) value = 0.05f * random.normal();
    }
    expect_same_whatever_is_kept(*loaded.model, ops, adapter, adapter.publish(pool).value().get());
}

// With all weights, where a thread has an expert of its own on the way back.
TEST_P(TrainingParity, WhatIsComputedAgainIsWhatWasComputedForAllWeights) {
    const auto loaded = load_subject(GetParam());
    ThreadPool pool(1);
    math::Workspace workspace;
    math::OpContext ops{pool, workspace, *math::runnable_kernel_tables().back(), GetParam().int4_class};
    auto parameters = train::FullParameters::create(*loaded.model, GetParam().weights, pool);
    ASSERT_TRUE(parameters.ok()) << parameters.error().message;
    expect_same_whatever_is_kept(*loaded.model, ops, *parameters, nullptr);
}

// An adapter that has learned nothing yet changes no value; one that has, does.
TEST_P(TrainingParity, AnAdapterWithoutBIsTheModel) {
    const auto loaded = load_subject(GetParam());
    auto& model = *loaded.model;
    ThreadPool pool(2);
    math::Workspace workspace;
    math::OpContext ops{pool, workspace, *math::runnable_kernel_tables().back(), GetParam().int4_class};
    const math::WeightGradients nothing;
    std::vector<int32_t> tokens(100), targets(100);
    for (size_t i = 0; i < tokens.size(); i++) {
        tokens[i] = static_cast<int32_t>(5 * i) % model.spec().vocabulary;
        targets[i] = static_cast<int32_t>(7 * i) % model.spec().vocabulary;
    }
    const auto logprobs = [&](const model::Adapter* adapter) {
        std::vector<float> lp(tokens.size());
        const std::vector<int64_t> offsets = {0, 70, std::ssize(tokens)};
        train::TrainingPass pass(model, ops, nothing, {}, adapter);
        pass.forward({tokens, offsets, {targets.data(), std::ssize(tokens), 1}}, {lp.data(), std::ssize(lp), 1});
        return lp;
    };
    train::TrainedAdapter adapter(model, {.rank = 5}, pool);
    const auto fresh = adapter.publish(pool);
    ASSERT_TRUE(fresh.ok());
    const auto base = logprobs(nullptr);
    EXPECT_EQ(logprobs(fresh->get()), base);
    for (const auto& parameter : adapter.parameters()) std::ranges::fill(parameter.values, 0.001f);
    const auto changed = adapter.publish(pool);
    ASSERT_TRUE(changed.ok());
    EXPECT_NE(logprobs(changed->get()), base);
}

// Documents in one pass, each under an adapter of its own or none: each has the bits that it has alone.
TEST_P(TrainingParity, ARowDoesNotSeeTheAdaptersOfOthers) {
    const auto loaded = load_subject(GetParam());
    auto& model = *loaded.model;
    ThreadPool pool(2);
    math::Workspace workspace;
    math::OpContext ops{pool, workspace, *math::runnable_kernel_tables().back(), GetParam().int4_class};
    std::vector<std::shared_ptr<const model::Adapter>> adapters = {nullptr};
    for (const int32_t rank : {3, 40}) {
        train::TrainedAdapter adapter(model, {.rank = rank, .seed = 5}, pool);
        for (const auto& parameter : adapter.parameters()) std::ranges::fill(parameter.values, 0.02f);
        adapters.push_back(*adapter.publish(pool));
    }
    constexpr int32_t kRows = 30;  // of a document
    auto memory = engine::PagePool::create(model.cache_spec().page_bytes, 1 + std::ssize(adapters));
    ASSERT_TRUE(memory.ok());
    // The logits of documents [first, first + count).
    const auto logits_of = [&](int32_t first, int32_t count) {
        std::vector<int32_t> ids, positions, pages;
        std::vector<math::AttentionSegment> segments;
        std::vector<model::AdapterRun> runs;
        for (int32_t d = first; d < first + count; d++) pages.push_back(d);
        for (int32_t d = 0; d < count; d++) {
            segments.push_back({.first_row = kRows * d,
                                .rows = kRows,
                                .first_position = 0,
                                .pages = std::span(pages).subspan(static_cast<size_t>(d), 1)});
            const auto* adapter = adapters[static_cast<size_t>(first + d)].get();
            if (adapter) runs.push_back({kRows * d, kRows, adapter});
            for (int32_t i = 0; i < kRows; i++) {
                ids.push_back((11 * i + first + d) % model.spec().vocabulary);
                positions.push_back(i);
            }
        }
        model::Pass pass{.ops = ops, .positions = positions, .segments = segments, .page_pool = memory->data()};
        pass.adapters = runs;
        const auto x = workspace.matrix<float>(std::ssize(ids), model.spec().hidden);
        const auto logits = workspace.matrix<float>(x.rows, model.spec().vocabulary);
        model.embed(ids, x, pass);
        for (int32_t layer = 0; layer < model.spec().layers; layer++) model.layer(layer, x, pass);
        model.head(x, logits, pass);
        return logits;
    };
    const auto documents = static_cast<int32_t>(adapters.size());
    const auto together = logits_of(0, documents);
    for (int32_t d = 0; d < documents; d++) {
        const auto alone = logits_of(d, 1);
        for (int64_t row = 0; row < kRows; row++) {
            for (int64_t i = 0; i < alone.cols; i++)
                ASSERT_TRUE(same_bits(together.row(d * kRows + row)[i], alone.row(row)[i])) << d << " " << row;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Subjects, TrainingParity, testing::ValuesIn(subjects()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace hone::parity
