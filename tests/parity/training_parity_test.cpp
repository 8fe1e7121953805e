// One arithmetic for sampling and training: what was said of a token when it was sampled, under any schedule, is what
// the training pass says of it, among other documents, bit for bit. So the first ratio of the two is exactly 1 and their
// divergence exactly 0.
#include <gtest/gtest.h>

#include "tests/parity/golden_models.h"
#include "tests/parity/random_requests.h"
#include "tests/parity/random_schedule.h"
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

// A layer that records is the layer that serves.
TEST_P(TrainingParity, RecordingChangesNoBit) {
    const auto loaded = load_subject(GetParam());
    const auto& model = *loaded.model;
    ThreadPool pool(2);
    math::Workspace workspace;
    math::OpContext ops{pool, workspace, *math::runnable_kernel_tables().back(), GetParam().int4_class};
    const math::WeightGradients nothing;
    math::Tape tape(ops, nothing);
    constexpr int32_t kRows = 70;
    std::vector<int32_t> ids(kRows), positions(kRows);
    for (int32_t i = 0; i < kRows; i++)
        ids[static_cast<size_t>(i)] = 7 * i % model.spec().vocabulary, positions[static_cast<size_t>(i)] = i;
    const std::vector<int32_t> pages = {0, 1};
    const math::AttentionSegment segments[] = {{.first_row = 0, .rows = kRows, .first_position = 0, .pages = pages}};
    auto memory = engine::PagePool::create(model.cache_spec().page_bytes, 2);
    ASSERT_TRUE(memory.ok());
    model::Pass plain{.ops = ops, .positions = positions, .segments = segments, .page_pool = memory->data()};
    model::Pass recorded = plain;
    recorded.tape = &tape;
    recorded.one_layer_pages = true;
    const auto x = workspace.matrix<float>(kRows, model.spec().hidden),
               y = workspace.matrix<float>(kRows, model.spec().hidden);
    model.embed(ids, x, plain);
    model.embed(ids, y, recorded);
    for (int32_t layer = 0; layer < model.spec().layers; layer++) {
        model.layer(layer, x, plain);
        model.layer(layer, y, recorded);
        for (int64_t i = 0; i < kRows * x.cols; i++) ASSERT_TRUE(same_bits(x.data[i], y.data[i])) << layer << " " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Subjects, TrainingParity, testing::ValuesIn(subjects()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace hone::parity
