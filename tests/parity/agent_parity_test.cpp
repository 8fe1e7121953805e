// What agents do with the prefix cache, bit by bit against cold runs on every golden model and in all numeric classes:
// turns that grow a conversation, branches that part within a page, and prompts that begin alike and arrive together.
#include <gtest/gtest.h>

#include "tests/parity/golden_models.h"
#include "tests/parity/random_schedule.h"
#include "tests/temporary_folder.h"

namespace hone::parity {
namespace {

class AgentParityOnModels : public testing::TestWithParam<Subject> {
  protected:
    AgentParityOnModels() { start(40); }
    void start(int32_t page_count, std::unique_ptr<engine::SpillStore> spill = nullptr) {
        auto pages = engine::PagePool::create(model().cache_spec().page_bytes, page_count);
        engine::LoopOptions loop_options{.threads = 2, .int4_class = GetParam().int4_class};
        loop_options.limits.token_budget = 100;
        loop = std::make_unique<engine::Loop>(model(), kernels, std::move(*pages), std::move(loop_options),
                                              std::move(spill));
    }
    const model::Model& model() const { return *loaded.model; }
    std::vector<int32_t> draw_tokens(size_t count) {
        std::vector<int32_t> tokens(count);
        for (int32_t& token : tokens) {
            token = static_cast<int32_t>(random.below(static_cast<uint64_t>(model().spec().vocabulary)));
        }
        return tokens;
    }
    static engine::Request ask(std::vector<int32_t> prompt, int32_t max_tokens) {
        return {.prompt = std::move(prompt),
                .sampling = {.temperature = 0.8f, .max_tokens = max_tokens, .seed = 5, .top_logprobs = 2}};
    }
    // Runs them together and compares each with a cold run.
    std::vector<Outcome> run(const std::vector<engine::Request>& requests) {
        std::vector<detail::Arrival> arrivals;
        for (const engine::Request& request : requests) {
            arrivals.push_back({.request = request, .wanted = static_cast<int32_t>(arrivals.size())});
        }
        const auto outcomes = detail::run_arrivals(*loop, std::move(arrivals), requests.size());
        for (size_t i = 0; i < requests.size(); i++) {
            EXPECT_EQ(difference(run_alone(model(), kernels, requests[i], options), outcomes[i]), "")
                << "request " << i;
        }
        return outcomes;
    }

    Random random{1};
    const model::LoadedModel loaded = load_subject(GetParam());
    const math::KernelTable& kernels = *math::runnable_kernel_tables().back();
    const RandomScheduleOptions options{.int4_class = GetParam().int4_class};
    std::unique_ptr<engine::Loop> loop;
};

TEST_P(AgentParityOnModels, TurnsComputeWhatIsNewAndSayTheSame) {
    std::vector<int32_t> conversation = draw_tokens(131);
    int32_t known = 0;
    for (const size_t added : {17, 1, 64, 40}) {
        const Outcome outcome = run({ask(conversation, 23)})[0];
        EXPECT_EQ(outcome.cached_tokens, known);
        for (const auto& record : outcome.tokens) conversation.push_back(record.token);
        known = static_cast<int32_t>(conversation.size()) - 1;  // the last one was drawn, not computed
        const auto observation = draw_tokens(added);
        conversation.insert(conversation.end(), observation.begin(), observation.end());
    }
}

TEST_P(AgentParityOnModels, BranchesThatPartWithinAPageSayTheSame) {
    const auto trunk = draw_tokens(200);
    run({ask(trunk, 9)});
    for (const size_t shared : {1, 36, 64, 101, 163}) {
        std::vector<int32_t> branch(trunk.begin(), trunk.begin() + static_cast<std::ptrdiff_t>(shared));
        branch.push_back(trunk[shared] == 0);  // another token than the trunk's
        const auto rest = draw_tokens(150 - shared % 64);
        branch.insert(branch.end(), rest.begin(), rest.end());
        EXPECT_EQ(run({ask(branch, 9)})[0].cached_tokens, static_cast<int32_t>(shared));
    }
}

TEST_P(AgentParityOnModels, PromptsThatArriveTogetherShareWhatTheyHaveAlike) {
    const auto shared = draw_tokens(150);
    std::vector<engine::Request> requests;
    for (const size_t own : {30, 1, 70, 0}) {
        auto prompt = shared;
        for (size_t i = 0; i < own; i++) prompt.push_back(static_cast<int32_t>(requests.size() * 10 + i % 7));
        requests.push_back(ask(prompt, 11));
    }
    const auto outcomes = run(requests);
    int32_t alone = 0;  // whoever went first, the others found what they share with it
    for (size_t i = 0; i < 4; i++) {
        if (outcomes[i].cached_tokens == 0)
            alone++;
        else
            EXPECT_EQ(outcomes[i].cached_tokens, i < 3 ? 150 : 149);
    }
    EXPECT_EQ(alone, 1);
}

TEST_P(AgentParityOnModels, PagesThatWereOnDiskSayTheSame) {
    const TemporaryFolder folder;
    const auto start_over = [&](int32_t pages) {
        loop.reset();
        auto spill =
            engine::SpillStore::open({folder.path, size_t{1} << 30, "golden"}, model().cache_spec().page_bytes);
        ASSERT_TRUE(spill.ok()) << spill.error().message;
        start(pages, std::move(*spill));
    };
    const auto first = draw_tokens(200), second = draw_tokens(220);
    start_over(5);
    EXPECT_EQ(run({ask(first, 9)})[0].cached_tokens, 0);
    EXPECT_EQ(run({ask(second, 9)})[0].cached_tokens, 0);
    EXPECT_GT(loop->metrics().evicted_pages, 0u);
    EXPECT_EQ(run({ask(first, 9)})[0].cached_tokens, 199);
    start_over(20);
    const auto outcomes = run({ask(first, 9), ask(second, 9)});
    EXPECT_EQ(outcomes[0].cached_tokens, 199);
    EXPECT_EQ(outcomes[1].cached_tokens, 219);
}

INSTANTIATE_TEST_SUITE_P(Subjects, AgentParityOnModels, testing::ValuesIn(subjects()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace hone::parity
