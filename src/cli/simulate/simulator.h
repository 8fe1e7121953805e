// The scheduler of a server (engine/schedule) on a fake clock: requests arrive, each step takes as long as the simulated
// machine says, and the cost model learns from these times, in the order in which engine/loop.cpp does it. Everything but
// the tensors and the wall clock is the real thing. One thread; the same inputs give the same result.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <span>
#include <vector>

#include "base/rng.h"
#include "cli/simulate/cost_file.h"
#include "cli/simulate/workload.h"
#include "engine/schedule/cost_model.h"
#include "engine/schedule/policy.h"
#include "engine/schedule/time_budget.h"

namespace hone::cli {

// A policy with the limits that it runs under, and what the tables call it.
struct SimulatedPolicy {
    std::string name;
    engine::Policy policy;
    engine::ScheduleLimits limits;  // .layers is set from the cost file
};

// What became of one request, in seconds. Those that were refused have no tokens.
struct RequestOutcome {
    double arrival = 0, first_token = 0, end = 0;  // on the simulated clock
    double longest_gap = 0;                        // between two of its tokens
    int32_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
};

struct SimulationResult {
    std::vector<RequestOutcome> requests;
    std::vector<float> gaps;                        // seconds, between any request's tokens
    int64_t steps = 0, preemptions = 0, stops = 0;  // stops: parts of prompts that ended before planned
    int64_t refused = 0;                            // requests, with those that would have followed them
    double seconds = 0, busy_seconds = 0;           // of the simulated clock, up to the end of the last request
    double decode_expert_bytes = 0;                 // that the decoding rows alone would read
    double prompt_expert_bytes = 0;                 // read beyond these
    double cost_error = 0;                          // of the cost model, at the end
    double wall_seconds = 0;                        // that the simulation took
};

// Sees every step, for charts and tests. A step's plan is told twice: as planned, and as run, with the segments that were
// stopped; both before its tokens are committed.
class StepObserver {
  public:
    virtual ~StepObserver() = default;
    virtual void arrived(const engine::ScheduleState&, engine::SequenceId) {}
    virtual void planned(const engine::ScheduleState&, const engine::Plan&) {}
    virtual void ran(const engine::ScheduleState&, const engine::Plan&, double /*began*/, double /*ended*/) {}
    virtual void committed(const engine::ScheduleState&, const engine::Plan&) {}
    virtual void finished(const engine::ScheduleState&, engine::SequenceId) {}  // just before it is removed
};

class Simulator {
  public:
    // `requests` outlive the simulator, `observer` too where there is one. `pages`: for keys and values.
    Simulator(const CostFile& machine, const SimulatedPolicy& policy, int32_t pages,
              std::span<const SimulatedRequest> requests, uint64_t seed, StepObserver* observer = nullptr);

    // One step, or the wait for the next arrival; false when all requests have ended.
    bool step();
    const SimulationResult& result() const { return result_; }
    const engine::ScheduleState& schedule() const { return schedule_; }
    double now() const { return now_; }

  private:
    struct Live {
        size_t request = 0;  // index
        double last_token = 0;
    };
    using Arrival = std::pair<double, size_t>;  // seconds, index
    struct Clocked {                            // what a step took, in seconds
        std::vector<double> layers;
        double rest = 0, head = 0, sum = 0;
        double factor = 1;   // noise
        bool moved = false;  // a segment that may stop has passed a layer
    };

    void receive();
    void run_layers(engine::Plan& plan, Clocked& times);
    int32_t run_interval(const engine::LayerWork& work, bool may_stop, const engine::Plan& plan,
                         const engine::TimeBudget& budget, Clocked& times);
    bool must_stop(const engine::Plan& plan, const engine::TimeBudget& budget, int32_t layer,
                   const Clocked& times) const;
    void count_expert_bytes(const engine::Plan& plan);
    void learn(const engine::Plan& plan, const Clocked& times, int64_t logits_rows);
    void settle(const engine::Segment& segment);
    void refuse(size_t request);
    void follow_up(size_t request);

    const CostFile& machine_;
    const SimulatedPolicy policy_;
    const std::span<const SimulatedRequest> requests_;
    StepObserver* const observer_;
    Random noise_;
    engine::PagePool pool_;
    engine::PrefixTree tree_;
    engine::ScheduleState schedule_;
    engine::CostModel cost_model_;
    std::priority_queue<Arrival, std::vector<Arrival>, std::greater<>> arrivals_;
    std::multimap<size_t, size_t> followers_;
    std::map<engine::SequenceId, Live> live_;
    uint64_t last_id_ = 0;
    double now_ = 0;
    bool prompts_stood_ = false;  // in the last step
    SimulationResult result_;
};

}  // namespace hone::cli
