// The simulated server against times that can be told by hand.
#include <gtest/gtest.h>

#include "cli/simulate/chart.h"
#include "cli/simulate/policies.h"
#include "cli/simulate/simulator.h"
#include "cli/simulate/summary.h"
#include "cli/simulate/timeline.h"

namespace hone::cli {
namespace {

// Eight layers of which each takes 1 ms and 0.01 ms a row, and a head of 0.5 ms a row.
CostFile even_machine() {
    CostFile file;
    const ModelExtents model{.layers = 8, .hidden = 64, .experts = 16, .experts_per_token = 2, .expert_inner = 32};
    engine::StepCosts costs;
    costs.routed = {.fixed = 1'000'000'000, .row = 10'000'000};
    costs.step = 2'000'000'000;
    costs.logits = 500'000'000;
    file.costs = TrueCosts(model, costs);
    file.cache_tokens = 64'000;
    file.max_context = 8192;
    return file;
}

SimulationResult simulate(const CostFile& machine, const std::string& policy,
                          std::span<const SimulatedRequest> requests, int32_t pages = 1000,
                          StepObserver* observer = nullptr) {
    const auto named = policy_named(policy, {});
    EXPECT_TRUE(named) << named.error().message;
    Simulator simulator(machine, *named, pages, requests, 1, observer);
    while (simulator.step()) {
    }
    EXPECT_EQ(simulator.schedule().pool.in_use(), 0);
    return simulator.result();
}

TEST(Simulator, a_request_alone_takes_what_its_steps_take) {
    const std::vector<SimulatedRequest> requests = {{.seconds = 3, .prompt_tokens = 600, .output_tokens = 3}};
    const SimulationResult result = simulate(even_machine(), "chunked-512", requests);
    ASSERT_EQ(result.requests.size(), 1u);
    const RequestOutcome& request = result.requests[0];
    // 512 rows, then 88 and a row of logits; then single rows.
    const double first = 2e-3 + 8 * (1e-3 + 5.12e-3) + 2e-3 + 8 * (1e-3 + 0.88e-3) + 0.5e-3;
    const double next = 2e-3 + 8 * (1e-3 + 0.01e-3) + 0.5e-3;
    EXPECT_NEAR(request.arrival, 3, 1e-12);
    EXPECT_NEAR(request.first_token - 3, first, 1e-9);
    EXPECT_NEAR(request.end - request.first_token, 2 * next, 1e-9);
    EXPECT_NEAR(request.longest_gap, next, 1e-9);
    EXPECT_EQ(request.output_tokens, 3);
    EXPECT_EQ(result.steps, 4);
    EXPECT_EQ(result.gaps.size(), 2u);
    EXPECT_NEAR(result.busy_seconds, first + 2 * next, 1e-9);
}

// Chunks of 511 rows, beside the one that decodes, read the experts again and again, groups of layers once. That row has
// its own anyway, as had the first prompt, of one token.
TEST(Simulator, layers_instead_of_chunks_save_expert_bytes) {
    std::vector<SimulatedRequest> requests = {{.seconds = 0, .prompt_tokens = 1, .output_tokens = 400, .text = 1}};
    requests.push_back({.seconds = 0.05, .prompt_tokens = 8 * 511, .output_tokens = 1, .text = 2});
    const CostFile machine = even_machine();
    const double all = 8 * 16 * machine.costs.model().expert_bytes(), decode = all * 2 / 16;
    const SimulationResult chunked = simulate(machine, "chunked-512", requests);
    EXPECT_NEAR(chunked.prompt_expert_bytes, 8 * (all - decode) + decode, 0.02 * all);
    const SimulationResult layered = simulate(machine, "layered", requests);
    EXPECT_NEAR(layered.prompt_expert_bytes, all, 0.02 * all);
    EXPECT_NEAR(layered.decode_expert_bytes, 399 * decode, 0.1 * decode);
}

TEST(Simulator, a_conversation_finds_its_own_pages) {
    const auto requests = generate_workload(
        {.kind = "agents", .rate = 0.1, .requests = 5, .prompt = "1000", .output = "100", .turns = 5});
    const SimulationResult result = simulate(even_machine(), "chunked-512", *requests);
    for (size_t turn = 1; turn < 5; turn++) {
        // What the turn before computed: all but its last token.
        const int32_t computed = (*requests)[turn - 1].prompt_tokens + 100 - 1;
        EXPECT_EQ(result.requests[turn].cached_tokens, computed);
        EXPECT_NEAR(result.requests[turn].arrival, result.requests[turn - 1].end + 1, 1e-9);
    }
}

TEST(Simulator, what_cannot_fit_is_refused_with_all_that_follows) {
    const std::vector<SimulatedRequest> requests = {{.prompt_tokens = 9000, .output_tokens = 1},
                                                    {.after = 0, .prompt_tokens = 10, .output_tokens = 1},
                                                    {.prompt_tokens = 1000, .output_tokens = 1},
                                                    {.prompt_tokens = 10, .output_tokens = 1},
                                                    {.after = 1, .prompt_tokens = 10, .output_tokens = 1}};
    const SimulationResult result = simulate(even_machine(), "chunked", requests, 10);
    EXPECT_EQ(result.refused, 4);
    EXPECT_EQ(result.requests[1].output_tokens, 0);
    EXPECT_EQ(result.requests[3].output_tokens, 1);
    EXPECT_EQ(summarise("x", result, {}).finished, 1);
}

TEST(Simulator, the_same_seed_gives_the_same_run) {
    CostFile machine = even_machine();
    machine.noise = 0.1;
    const auto requests = generate_workload({.kind = "lengths", .rate = 20, .requests = 200});
    const auto run = [&] { return to_json(summarise("x", simulate(machine, "layered", *requests), {})); };
    EXPECT_EQ(run(), run());
}

TEST(SimulatedSummary, goodput_and_shares) {
    SimulationResult result;
    const auto request = [](double first, double gap) {
        return RequestOutcome{.arrival = 1,
                              .first_token = 1 + first,
                              .end = 2 + first,
                              .longest_gap = gap,
                              .prompt_tokens = 100,
                              .cached_tokens = 25,
                              .output_tokens = 10};
    };
    result.requests = {request(1, 0.1), request(3, 0.1), request(1, 0.3), {}};  // the last one was refused
    result.refused = 1;
    result.seconds = 10;
    const Summary summary = summarise("x", result, {.ttft = 2, .gap = 0.2});
    EXPECT_EQ(summary.finished, 3);
    EXPECT_EQ(summary.goodput, 0.25);
    EXPECT_EQ(summarise("x", result, {}).goodput, 0.75);
    EXPECT_EQ(summary.cached_share, 0.25);
    EXPECT_EQ(summary.prompt_tokens_per_second, 30);
    EXPECT_EQ(summary.first_token.max, 3);
    EXPECT_EQ(summary.whole.max, 4);
}

TEST(SimulatedPolicies, names_and_budgets) {
    const auto chunked = policy_named("chunked-128", {.token_budget = 900});
    ASSERT_TRUE(chunked);
    EXPECT_EQ(chunked->limits.token_budget, 128);
    EXPECT_EQ(policy_named("chunked", {.token_budget = 900})->limits.token_budget, 900);
    EXPECT_EQ(policy_named("chunked", {})->limits.token_budget, 512);
    for (const char* wrong : {"", "chunk", "chunked-", "chunked-0", "chunked-x", "chunked-5x"})
        EXPECT_FALSE(policy_named(wrong, {})) << wrong;
}

// Every tag that the page opens it closes, and what comes from outside is escaped.
TEST(Chart, the_page_is_whole) {
    const auto requests = generate_workload({.kind = "lengths", .rate = 20, .requests = 40, .prompt = "2000"});
    Timeline timeline(0, 1);
    const CostFile machine = even_machine();
    const SimulationResult result = simulate(machine, "layered", *requests, 1000, &timeline);
    ASSERT_FALSE(timeline.steps().empty());
    const Summary summary = summarise("<b>&", result, {});
    const ChartedRun run{&summary, &result, &timeline, 8};
    const std::string page = to_page({"<title>", "a & b", "c"}, {&run, 1}, {});
    EXPECT_EQ(page.find("<b>"), page.npos);
    EXPECT_NE(page.find("&lt;title&gt;"), page.npos);
    const auto count = [&](std::string_view text) {
        int found = 0;
        for (size_t at = page.find(text); at != page.npos; at = page.find(text, at + 1)) found++;
        return found;
    };
    for (const char* tag : {"svg", "text", "p", "h2", "div", "pre", "style"})
        EXPECT_EQ(count(fmt::format("<{}>", tag)) + count(fmt::format("<{} ", tag)), count(fmt::format("</{}>", tag)))
            << tag;
    EXPECT_EQ(count("nan"), 0);
    EXPECT_GT(count("layers 0 to"), 0);
}

// No gaps after single tokens; nothing at all where every request is refused.
TEST(Chart, what_has_no_values_says_so) {
    const CostFile machine = even_machine();
    const auto nothing_in = [&](const std::string& prompt) {
        const auto requests = generate_workload({.kind = "lengths", .requests = 3, .prompt = prompt, .output = "1"});
        Timeline timeline(0, 1);
        const SimulationResult result = simulate(machine, "chunked", *requests, 1000, &timeline);
        const Summary summary = summarise("x", result, {});
        const ChartedRun run{&summary, &result, &timeline, 8};
        const std::string page = to_page({"a", "b", "c"}, {&run, 1}, {});
        int charts = 0;
        for (size_t at = 0; (at = page.find("none in these runs", at)) != page.npos; at++) charts++;
        return charts;
    };
    EXPECT_EQ(nothing_in("100"), 1);
    EXPECT_EQ(nothing_in("9000"), 3);
}

}  // namespace
}  // namespace hone::cli
