// One arithmetic, without the engine loop: the logits of a random sequence of 1,500 tokens (three softmax chunks) are
// the same bits whole, chunked, by layer groups, token by token, on any number of threads and on every ISA of this
// machine.
#include <bit>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "engine/score.h"
#include "tests/parity/golden_models.h"

namespace hone::parity {
namespace {

constexpr int32_t kTokens = 1500;

using Logits = std::vector<float>;  // [tokens, vocabulary]

struct Cut {
    engine::ScoreSchedule schedule;
    int threads = 1;
};

std::vector<int32_t> random_tokens(uint64_t seed, int32_t count, int32_t vocabulary) {
    Random random(seed);
    std::vector<int32_t> ids;
    for (int32_t i = 0; i < count; i++)
        ids.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocabulary))));
    return ids;
}

Logits logits_of(const model::Model& model, const math::KernelTable& kernels, math::NumericClass int4_class,
                 std::span<const int32_t> ids, const Cut& run) {
    auto scorer = engine::Scorer::create(model, kernels, static_cast<int32_t>(ids.size()), run.threads, int4_class);
    CHECK(scorer.ok(), "{}", scorer.error().message);
    (*scorer)->begin();
    Logits logits;
    const Status extended = (*scorer)->extend(ids, run.schedule, [&](int32_t, math::MatrixView<const float> rows) {
        for (int64_t row = 0; row < rows.rows; row++)
            logits.insert(logits.end(), rows.row(row), rows.row(row) + rows.cols);
    });
    CHECK(extended.ok(), "{}", extended.error().message);
    return logits;
}

// The first differing position in words, or nothing.
std::string difference(const Logits& a, const Logits& b, int32_t vocabulary) {
    if (a.size() != b.size()) return fmt::format("{} logits against {}", a.size(), b.size());
    for (size_t i = 0; i < a.size(); i++) {
        if (std::bit_cast<uint32_t>(a[i]) == std::bit_cast<uint32_t>(b[i])) continue;
        return fmt::format("position {} token {}: {} against {}", i / static_cast<size_t>(vocabulary),
                           i % static_cast<size_t>(vocabulary), a[i], b[i]);
    }
    return "";
}

class ScoreParity : public testing::TestWithParam<Subject> {};

TEST_P(ScoreParity, SchedulesAndThreadsGiveTheSameBits) {
    const auto loaded = load_subject(GetParam());
    const auto& kernels = *math::runnable_kernel_tables().back();
    const int32_t vocabulary = loaded.model->spec().vocabulary;
    const auto ids = random_tokens(1, kTokens, vocabulary);
    const Logits whole = logits_of(*loaded.model, kernels, GetParam().int4_class, ids, {{.chunk_tokens = kTokens}, 1});
    const Cut runs[] = {{{.chunk_tokens = 512}, 2},
                        {{.chunk_tokens = 64, .layers_per_step = 1}, 3},
                        {{.chunk_tokens = 7, .layers_per_step = 2}, 1},
                        {{.chunk_tokens = 509, .layers_per_step = 3}, 2},
                        {{.chunk_tokens = 1}, 2}};
    for (const Cut& run : runs) {
        const Logits logits = logits_of(*loaded.model, kernels, GetParam().int4_class, ids, run);
        EXPECT_EQ(difference(logits, whole, vocabulary), "")
            << "chunks of " << run.schedule.chunk_tokens << ", layers " << run.schedule.layers_per_step << ", threads "
            << run.threads;
    }
}

TEST_P(ScoreParity, EveryIsaGivesTheSameBits) {
    const auto loaded = load_subject(GetParam());
    const int32_t vocabulary = loaded.model->spec().vocabulary;
    const auto ids = random_tokens(2, 700, vocabulary);
    const auto tables = math::runnable_kernel_tables();
    const Logits reference =
        logits_of(*loaded.model, *tables.front(), GetParam().int4_class, ids, {{.chunk_tokens = 700}, 2});
    for (const auto* kernels : tables.subspan(1)) {
        const Logits logits =
            logits_of(*loaded.model, *kernels, GetParam().int4_class, ids, {{.chunk_tokens = 100}, 1});
        EXPECT_EQ(difference(logits, reference, vocabulary), "") << math::name_of(kernels->isa);
    }
}

INSTANTIATE_TEST_SUITE_P(Subjects, ScoreParity, testing::ValuesIn(subjects()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace hone::parity
