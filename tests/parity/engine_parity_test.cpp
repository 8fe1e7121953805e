// The parity promise end to end: on every golden model, in all numeric classes, a request gets the same tokens and
// log-probability bits alone and under any schedule (chunks, layer groups, batch mates, cache hits, preemption,
// cancelled neighbours, threads, page counts) on any ISA of this machine; and what decoding said of a token is what
// scoring says of it.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/detail/Configuration.h>

#include "tests/parity/golden_models.h"
#include "tests/parity/random_requests.h"
#include "tests/parity/random_schedule.h"

namespace hone::parity {
namespace {

constexpr size_t kPromptTokens = 1500;  // three softmax chunks
constexpr int kSchedules = 2;           // per model, arithmetic and ISA; their seeds differ from run to run
constexpr int kMostSchedules = 40;      // more until preemption, cache hits, resting layers and cancelling were met

class EngineParityOnModels : public testing::TestWithParam<Subject> {};

TEST_P(EngineParityOnModels, NoScheduleChangesABit) {
    const auto loaded = load_subject(GetParam());
    const RandomScheduleOptions options{.max_threads = 3, .int4_class = GetParam().int4_class};
    const auto requests = random_requests(1, loaded.model->spec().vocabulary, kPromptTokens, true);
    // The slow reference kernels are compared with the others where scores are.
    const auto all = math::runnable_kernel_tables();
    const auto tables = all.size() > 1 ? all.subspan(1) : all;
    std::vector<Outcome> expected;
    for (const auto& request : requests) {
        expected.push_back(run_alone(*loaded.model, *tables.back(), request, options));
        ASSERT_TRUE(expected.back().finish) << expected.back().message;
    }
    for (const auto* kernels : tables) {
        ScheduleStatistics statistics;
        const auto schedule_changes_nothing = [&] {
            // At full size, so that all 64 bits are drawn.
            const auto seed = *rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<uint64_t>());
            const auto outcomes = run_random_schedule(*loaded.model, *kernels, requests, seed, options, &statistics);
            for (size_t i = 0; i < requests.size(); i++) {
                const std::string found = difference(expected[i], outcomes[i]);
                if (!found.empty()) RC_FAIL(fmt::format("request {}: {}", i, found));
            }
        };
        auto params = rc::detail::configuration().testParams;
        params.maxSuccess = 1;
        params.disableShrinking = true;  // a schedule's seed has no smaller sibling
        for (; statistics.runs < kSchedules || (!statistics.met_everything() && statistics.runs < kMostSchedules);
             params.seed++) {
            const auto result = rc::detail::checkTestable(schedule_changes_nothing, rc::detail::TestMetadata{}, params);
            std::ostringstream told;
            rc::detail::printResultMessage(result, told);
            ASSERT_TRUE(result.template is<rc::detail::SuccessResult>()) << math::name_of(kernels->isa) << "\n"
                                                                         << told.str();
        }
        EXPECT_TRUE(statistics.met_everything()) << math::name_of(kernels->isa);
    }
}

TEST_P(EngineParityOnModels, DecodingSaysWhatScoringSays) {
    const auto loaded = load_subject(GetParam());
    const auto& kernels = *math::runnable_kernel_tables().back();
    const RandomScheduleOptions options{.int4_class = GetParam().int4_class};
    auto request = random_requests(2, loaded.model->spec().vocabulary, 600, true)[0];
    request.sampling.prompt_logprobs = 0;
    request.sampling.stop_ids.clear();
    request.sampling.max_tokens = 60;
    const Outcome decoded = run_alone(*loaded.model, kernels, request, options);
    ASSERT_EQ(decoded.tokens.size(), 60u) << decoded.message;

    const size_t prompt_tokens = request.prompt.size();
    for (const auto& record : decoded.tokens) request.prompt.push_back(record.token);
    request.sampling.max_tokens = 0;
    request.sampling.min_tokens = 0;
    const Outcome scored = run_alone(*loaded.model, kernels, request, options);
    // The first token has no log-probability.
    ASSERT_EQ(scored.prompt.size(), request.prompt.size() - 1) << scored.message;
    for (size_t i = 0; i < decoded.tokens.size(); i++) {
        const auto &said = decoded.tokens[i], &score = scored.prompt[prompt_tokens - 1 + i];
        ASSERT_EQ(said.token, score.token);
        ASSERT_TRUE(same_bits(said.raw_logprob, score.raw_logprob))
            << "token " << i << ": " << said.raw_logprob << " against " << score.raw_logprob;
    }
}

INSTANTIATE_TEST_SUITE_P(Subjects, EngineParityOnModels, testing::ValuesIn(subjects()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace hone::parity
