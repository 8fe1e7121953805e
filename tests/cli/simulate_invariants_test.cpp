// Any workload on any machine under any policy: the shadow of the scheduler's own tests watches every step of the simulator.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "cli/simulate/policies.h"
#include "cli/simulate/simulator.h"
#include "tests/engine/schedule_shadow.h"

namespace hone::cli {
namespace {

class Watched : public StepObserver {
  public:
    Watched(engine::ShadowRules rules, int32_t pages) : shadow_(rules, pages) {}

    void arrived(const engine::ScheduleState& state, engine::SequenceId id) override { shadow_.arrived(state, id); }
    void planned(const engine::ScheduleState& state, const engine::Plan& plan) override {
        shadow_.planned(state, plan);
    }
    void ran(const engine::ScheduleState& state, const engine::Plan& plan, double began, double ended) override {
        EXPECT_GT(ended, began);
        shadow_.ran(state, plan);
    }
    void committed(const engine::ScheduleState& state, const engine::Plan&) override { shadow_.committed(state); }
    void finished(const engine::ScheduleState&, engine::SequenceId id) override { shadow_.gone(id); }

    engine::ScheduleShadow& shadow() { return shadow_; }

  private:
    engine::ScheduleShadow shadow_;
};

CostFile any_machine() {
    CostFile file;
    ModelExtents model{.layers = *rc::gen::inRange(1, 9), .hidden = 64, .heads = 4, .kv_heads = 2, .head_size = 16};
    model.dense_inner = 128;
    model.experts = *rc::gen::element(0, 8, 32);
    model.dense_layers = model.experts == 0 ? model.layers : *rc::gen::inRange(0, model.layers + 1);
    model.experts_per_token = std::min(model.experts, 4);
    model.expert_inner = 64;
    model.expert_skew = *rc::gen::element(0.0, 0.0, 1.0);
    MachineRates rates{.operations = *rc::gen::element(1e9, 1e11), .bytes = *rc::gen::element(1e9, 1e11)};
    rates.attention_operations = rates.operations;
    rates.overlap = *rc::gen::element(0.0, 0.5, 1.0);
    rates.phases_apart = *rc::gen::arbitrary<bool>();
    rates.expert_rows_half = *rc::gen::element(0.0, 8.0);
    rates.layer_seconds = *rc::gen::element(1e-6, 1e-3);
    file.costs = TrueCosts(model, rates);
    file.noise = *rc::gen::element(0.0, 0.05, 0.3);
    file.max_context = 2048;
    return file;
}

WorkloadOptions any_workload() {
    WorkloadOptions options;
    options.kind = *rc::gen::element<std::string>("lengths", "agents");
    options.arrivals = *rc::gen::element<std::string>("poisson", "bursts", "even");
    options.rate = *rc::gen::element(0.1, 30.0, 3000.0);
    options.requests = *rc::gen::inRange(1, 40);
    options.prompt = *rc::gen::element<std::string>("1", "300", "1-700", "lognormal:200,120");
    options.output = *rc::gen::element<std::string>("1", "1-60");
    options.shared_prefix = *rc::gen::element(0, 0, 64, 100);
    options.turns = *rc::gen::inRange(1, 6);
    options.turn_tokens = *rc::gen::element(1, 70);
    options.think_seconds = *rc::gen::element(0.0, 0.01);
    options.seed = *rc::gen::arbitrary<uint64_t>();
    return options;
}

SimulatedPolicy any_policy() {
    PolicyOptions options;
    options.token_budget = *rc::gen::element(1, 7, 64, 512, 2048);
    options.resting_rows = *rc::gen::element(1, 50, 1 << 20);
    options.max_streams = *rc::gen::element(1, 3, 16);
    options.prefix_cache = *rc::gen::weightedElement<bool>({{3, true}, {1, false}});
    options.token_gap.factor_percent = *rc::gen::element(0, 120, 200, 1000);
    options.token_gap.milliseconds = *rc::gen::element(0, 0, 1, 50);
    return *policy_named(*rc::gen::element<std::string>("chunked", "layered", "auto", "auto"), options);
}

void expect_every_token_once(const SimulationResult& result, std::span<const SimulatedRequest> requests) {
    int64_t without = 0, gaps = 0;
    for (size_t i = 0; i < requests.size(); i++) {
        const RequestOutcome& outcome = result.requests[i];
        without += outcome.output_tokens == 0;
        if (outcome.output_tokens == 0) continue;
        gaps += outcome.output_tokens - 1;
        EXPECT_EQ(outcome.output_tokens, requests[i].output_tokens);
        EXPECT_LT(outcome.arrival, outcome.first_token);
        EXPECT_LE(outcome.first_token, outcome.end);
        if (requests[i].after >= 0) {
            EXPECT_GE(outcome.arrival, result.requests[static_cast<size_t>(requests[i].after)].end);
        }
    }
    EXPECT_EQ(std::ssize(result.gaps), gaps);
    EXPECT_TRUE(without == 0 || result.refused > 0);
}

TEST(SimulatorInvariants, any_workload_under_any_policy) {
    const bool holds = rc::check([] {
        const CostFile machine = any_machine();
        const auto requests = generate_workload(any_workload());
        const SimulatedPolicy policy = any_policy();
        const int32_t pages = *rc::gen::inRange(1, 60);
        const bool is_auto = policy.name == "auto";
        const int32_t most_budgets = is_auto ? 0 : policy.name == "layered" ? engine::kCohortBudgets : 1;
        Watched watched({.most_budgets = most_budgets, .most_steps_without_rows = is_auto ? 200'000 : 0}, pages);
        Simulator simulator(machine, policy, pages, *requests, 5, &watched);
        watched.shadow().follow_copies(simulator.schedule().pool);
        while (simulator.step() && !testing::Test::HasFailure()) {
        }
        watched.shadow().all_gone(simulator.schedule());
        expect_every_token_once(simulator.result(), *requests);
        RC_ASSERT(!testing::Test::HasFailure());
    });
    EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace hone::cli
