#include "cli/simulate/simulator.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"

namespace hone::cli {

using engine::LayerWork;
using engine::Plan;
using engine::Segment;

namespace {

constexpr size_t kPageBytes = 64;  // nobody looks into the pages

engine::ScheduleLimits with_layers(engine::ScheduleLimits limits, int32_t layers) {
    limits.layers = layers;
    return limits;
}

// The first layer after `layer` at which a segment begins or ends; `layer` itself if there is none.
int32_t next_cut(std::span<const Segment> segments, int32_t layer) {
    int32_t next = std::numeric_limits<int32_t>::max();
    for (const Segment& segment : segments) {
        if (segment.first_layer > layer) next = std::min(next, segment.first_layer);
        if (segment.end_layer > layer) next = std::min(next, segment.end_layer);
    }
    return next == std::numeric_limits<int32_t>::max() ? layer : next;
}

}  // namespace

Simulator::Simulator(const CostFile& machine, const SimulatedPolicy& policy, int32_t pages,
                     std::span<const SimulatedRequest> requests, uint64_t seed, StepObserver* observer)
    : machine_(machine),
      policy_(policy),
      requests_(requests),
      observer_(observer),
      noise_(seed, 3),
      pool_(std::move(*engine::PagePool::create(kPageBytes, pages))),
      tree_(pool_),
      schedule_{.limits = with_layers(policy.limits, machine.costs.shape().layers()), .pool = pool_, .tree = tree_},
      cost_model_(machine.costs.shape()) {
    schedule_.shape = cost_model_.shape();
    schedule_.costs = cost_model_.costs();
    result_.requests.resize(requests.size());
    for (size_t i = 0; i < requests.size(); i++) {
        if (requests[i].after < 0)
            arrivals_.emplace(requests[i].seconds, i);
        else
            followers_.emplace(static_cast<size_t>(requests[i].after), i);
    }
}

// What has arrived by now waits from now on.
void Simulator::receive() {
    for (; !arrivals_.empty() && arrivals_.top().first <= now_; arrivals_.pop()) {
        const auto [seconds, index] = arrivals_.top();
        const SimulatedRequest& request = requests_[index];
        result_.requests[index].arrival = seconds;
        const int64_t length = int64_t{request.prompt_tokens} + request.output_tokens;
        if (length > machine_.max_context || !engine::can_ever_fit(schedule_, static_cast<int32_t>(length))) {
            refuse(index);
            continue;
        }
        engine::SequenceState sequence{.id = {++last_id_}};
        sequence.priority = request.priority;
        sequence.tenant = request.tenant;
        sequence.arrival_ns = static_cast<int64_t>(seconds * 1e9);
        sequence.tokens.reserve(static_cast<size_t>(length));
        for (int32_t i = 0; i < request.prompt_tokens; i++) sequence.tokens.push_back(request.token(i));
        const engine::SequenceId id = sequence.id;
        live_.emplace(id, Live{.request = index});
        engine::enqueue(schedule_, std::move(sequence));
        if (observer_) observer_->arrived(schedule_, id);
    }
}

bool Simulator::step() {
    receive();
    if (live_.empty()) {
        if (arrivals_.empty()) return false;
        now_ = arrivals_.top().first;
        return true;
    }
    const double began = now_;
    Plan plan = policy_.policy(schedule_);
    CHECK(!plan.segments.empty(), "nothing planned: {} run, {} wait", schedule_.running.size(),
          schedule_.waiting.size());
    if (observer_) observer_->planned(schedule_, plan);
    Clocked times;
    run_layers(plan, times);
    const int64_t logits_rows = std::ranges::count_if(plan.segments, [&](const Segment& segment) {
        return segment.end_layer == schedule_.limits.layers &&
               segment.end_token == schedule_.running.at(segment.sequence).length();
    });
    times.head = machine_.costs.head_seconds(logits_rows) * times.factor;
    times.sum += times.head;
    now_ += times.sum;
    if (observer_) observer_->ran(schedule_, plan, began, now_);
    count_expert_bytes(plan);
    engine::commit(schedule_, plan);
    if (observer_) observer_->committed(schedule_, plan);
    for (const Segment& segment : plan.segments) settle(segment);
    learn(plan, times, logits_rows);
    result_.steps++;
    result_.busy_seconds += times.sum;
    result_.preemptions = static_cast<int64_t>(schedule_.preemptions);
    result_.seconds = now_;
    return true;
}

// As executor.cpp: intervals of layers with the same rows; where the time is up, segments that may stop end.
void Simulator::run_layers(Plan& plan, Clocked& times) {
    const engine::TimeBudget budget(schedule_, plan, prompts_stood_);
    times.factor = std::max(0.1, 1 + machine_.noise * static_cast<double>(noise_.normal()));
    times.layers.assign(static_cast<size_t>(schedule_.limits.layers), 0);
    times.rest = times.sum = machine_.costs.rest_seconds() * times.factor;
    for (int32_t layer = 0, end = 0; (end = next_cut(plan.segments, layer)) > layer;) {
        LayerWork work{.first_layer = layer, .end_layer = end};
        bool may_stop = false;
        for (const Segment& segment : plan.segments) {
            if (segment.first_layer > layer || segment.end_layer < end) continue;
            work.add(segment);
            may_stop |= segment.may_stop;
        }
        layer = work.rows > 0 ? run_interval(work, may_stop, plan, budget, times) : end;
        if (layer == end) continue;
        for (Segment& segment : plan.segments) {
            if (!segment.may_stop || segment.first_layer > layer || segment.end_layer <= layer) continue;
            segment.end_layer = layer;
            result_.stops++;
        }
    }
    prompts_stood_ = engine::stood_still(plan);
}

// The layer it came to: the interval's end, or where the time was up.
int32_t Simulator::run_interval(const LayerWork& work, bool may_stop, const Plan& plan,
                                const engine::TimeBudget& budget, Clocked& times) {
    double seconds[2] = {-1, -1};  // a layer without and with experts
    int32_t layer = work.first_layer;
    for (; layer < work.end_layer; layer++) {
        if (may_stop && must_stop(plan, budget, layer, times)) break;
        double& taken = seconds[machine_.costs.shape().routed_in(layer, layer + 1)];
        if (taken < 0) {
            LayerWork one = work;
            one.first_layer = layer;
            taken = machine_.costs.layer_seconds(one) * times.factor;
        }
        times.layers[static_cast<size_t>(layer)] = taken;
        times.sum += taken;
        times.moved |= may_stop;
    }
    return layer;
}

// As loop.cpp: a step without a budget ends its prompts' rows when a request comes.
bool Simulator::must_stop(const Plan& plan, const engine::TimeBudget& budget, int32_t layer,
                          const Clocked& times) const {
    if (plan.budget_ps == 0) return times.moved && !arrivals_.empty() && arrivals_.top().first <= now_ + times.sum;
    return !budget.allows(layer, times.sum, times.moved);
}

void Simulator::count_expert_bytes(const Plan& plan) {
    const engine::ModelShape& shape = machine_.costs.shape();
    if (shape.experts() == 0) return;
    std::vector<Segment> decodes;
    for (const Segment& segment : plan.segments) {
        if (schedule_.running.at(segment.sequence).decoding) decodes.push_back(segment);
    }
    const auto bytes_of = [&](std::span<const Segment> segments) {
        double experts = 0;
        for (const LayerWork& work : engine::layer_work(segments)) {
            experts += machine_.costs.distinct_experts(work.rows) * shape.routed_in(work.first_layer, work.end_layer);
        }
        return experts * machine_.costs.model().expert_bytes();
    };
    const double decoding = bytes_of(decodes);
    result_.decode_expert_bytes += decoding;
    result_.prompt_expert_bytes += bytes_of(plan.segments) - decoding;
}

void Simulator::learn(const Plan& plan, const Clocked& times, int64_t logits_rows) {
    cost_model_.observe(
        plan.segments,
        {.layer_seconds = times.layers, .logits_rows = logits_rows, .head_seconds = times.head, .seconds = times.sum});
    schedule_.costs = cost_model_.costs();
    result_.cost_error = cost_model_.error();
}

// A segment that ends with the last known token brings the next one.
void Simulator::settle(const Segment& segment) {
    const engine::SequenceState& sequence = schedule_.running.at(segment.sequence);
    if (segment.end_layer < schedule_.limits.layers || segment.end_token < sequence.length()) return;
    const auto found = live_.find(segment.sequence);
    Live& live = found->second;
    const SimulatedRequest& request = requests_[live.request];
    RequestOutcome& outcome = result_.requests[live.request];
    if (outcome.output_tokens++ == 0) {
        outcome.first_token = now_;
        outcome.prompt_tokens = request.prompt_tokens;
        outcome.cached_tokens = std::min(sequence.cached, request.prompt_tokens);
    } else {
        result_.gaps.push_back(static_cast<float>(now_ - live.last_token));
        outcome.longest_gap = std::max(outcome.longest_gap, now_ - live.last_token);
    }
    live.last_token = now_;
    if (outcome.output_tokens < request.output_tokens)
        return engine::append_token(schedule_, segment.sequence, request.token(sequence.length()));
    outcome.end = now_;
    if (observer_) observer_->finished(schedule_, segment.sequence);
    engine::remove_sequence(schedule_, segment.sequence);
    follow_up(live.request);
    live_.erase(found);
}

// Those that would follow it never arrive.
void Simulator::refuse(size_t request) {
    std::vector<size_t> refused = {request};
    for (size_t i = 0; i < refused.size(); i++) {
        const auto [first, last] = followers_.equal_range(refused[i]);
        for (auto follower = first; follower != last; ++follower) refused.push_back(follower->second);
    }
    result_.refused += std::ssize(refused);
}

void Simulator::follow_up(size_t request) {
    const auto [first, last] = followers_.equal_range(request);
    for (auto follower = first; follower != last; ++follower)
        arrivals_.emplace(now_ + requests_[follower->second].seconds, follower->second);
}

}  // namespace hone::cli
