// A world around the scheduler: sequences with fake lengths arrive, pause, are cancelled and end at random, in no time but
// the step count, and a shadow watches every plan (schedule_shadow.h).
#pragma once

#include <memory>

#include "base/rng.h"
#include "tests/engine/schedule_shadow.h"

namespace hone::engine {

struct SimulationSetup {
    ScheduleLimits limits;
    int32_t pages = 16;
    int32_t longest = 400;  // prompt and generated tokens; fits in the pages
    Policy policy = plan_chunked;
    ShadowRules rules;
    StepCosts costs;
    bool stops = false;  // segments that may stop do so at random layers
    uint64_t seed = 0;
    double arrival = 0.3, cancellation = 0.02;  // chance a step
    double pausing = 0;                         // chance a step that one is paused, or goes on
    double restarting = 0;                      // chance a step that one is restarted under another salt
    int32_t most = 30;                          // sequences at once
    bool ranks = false;                         // sequences have tenants and priorities; some may wait long
    bool evict_all_at_end = false;
};

class ScheduleSimulation {
  public:
    explicit ScheduleSimulation(const SimulationSetup& setup)
        : setup_(setup),
          random_(setup.seed),
          pool_(std::move(*PagePool::create(64, setup.pages))),
          tree_(pool_),
          state_{.limits = setup.limits, .pool = pool_, .tree = tree_, .waiting = {}, .running = {}},
          shadow_(setup.rules, setup.pages) {
        const std::vector<int32_t> routed(setup.limits.layers > 1 ? 1 : 0, setup.limits.layers / 2);
        state_.shape = ModelShape(setup.limits.layers, routed, 8, 2);
        state_.costs = setup.costs;
        shadow_.follow_copies(pool_);
    }

    // Steps until `steps` were made or a check failed, then lets everything end and checks that nothing is left.
    void run(int64_t steps) {
        for (int64_t i = 0; i < steps && !testing::Test::HasFailure(); i++) {
            if (std::ssize(remaining_) < setup_.most && random_.uniform() < setup_.arrival) arrive();
            if (random_.uniform() < setup_.cancellation) cancel_one();
            if (setup_.pausing > 0 && random_.uniform() < setup_.pausing) pause_one();
            if (setup_.restarting > 0 && random_.uniform() < setup_.restarting) restart_one();
            step();
        }
        go_on();
        while (!remaining_.empty() && !testing::Test::HasFailure()) step();
        if (testing::Test::HasFailure()) return;
        while (setup_.evict_all_at_end && tree_.evict()) {
        }
        EXPECT_TRUE(!setup_.evict_all_at_end || (pool_.free() == setup_.pages && tree_.salts() == 0));
        shadow_.all_gone(state_);
    }

    int64_t finished() const { return finished_; }
    int64_t longest_wait() const { return shadow_.longest_wait(); }
    int64_t stopped() const { return stopped_; }
    int64_t cached_tokens() const { return cached_; }
    int64_t paused_steps() const { return paused_steps_; }
    int64_t restarts() const { return restarts_; }
    int64_t preemptions() const { return static_cast<int64_t>(state_.preemptions); }

  private:
    void arrive() {
        SequenceState sequence;
        sequence.id = {++last_id_};
        const auto total = 1 + static_cast<int32_t>(random_.below(static_cast<uint64_t>(setup_.longest)));
        const auto prompt = 1 + static_cast<int32_t>(random_.below(static_cast<uint64_t>(total)));
        // Prompts share one of three beginnings for a random stretch, so that pages and parts of pages repeat.
        const auto kind = static_cast<int32_t>(random_.below(3));
        const auto salt = random_.below(4) == 0 ? fmt::format("tenant {}", random_.below(2)) : std::string();
        sequence.root = tree_.hold_root(salt);
        const auto shared = static_cast<int32_t>(random_.below(static_cast<uint64_t>(prompt) + 1));
        for (int32_t i = 0; i < prompt; i++) {
            sequence.tokens.push_back(i < shared ? kind : static_cast<int32_t>(random_.below(1000)));
        }
        sequence.every_row = random_.below(8) == 0;
        sequence.arrival_ns = now_ps_ / 1000;
        if (setup_.ranks) {
            sequence.tenant = static_cast<uint32_t>(random_.below(3));
            sequence.priority = static_cast<int32_t>(random_.below(3)) - 1;
        }
        const int32_t remaining = std::max(1, total - prompt);
        if (!can_ever_fit(state_, prompt + remaining)) return tree_.release_root(sequence.root);
        remaining_.emplace(sequence.id, remaining);
        enqueue(state_, std::move(sequence));
        shadow_.arrived(state_, {last_id_}, salt);
    }

    void cancel_one() {
        if (remaining_.empty()) return;
        const auto victim =
            std::next(remaining_.begin(), static_cast<std::ptrdiff_t>(random_.below(remaining_.size())));
        remove_sequence(state_, victim->first);
        shadow_.gone(victim->first);
        remaining_.erase(victim);
    }

    void pause_one() {
        if (remaining_.empty()) return;
        const auto one = std::next(remaining_.begin(), static_cast<std::ptrdiff_t>(random_.below(remaining_.size())));
        set_paused(state_, one->first, random_.below(2) == 0);
    }
    void restart_one() {
        if (remaining_.empty()) return;
        const auto one = std::next(remaining_.begin(), static_cast<std::ptrdiff_t>(random_.below(remaining_.size())));
        const auto salt = fmt::format("version {}", random_.below(2));
        restart(state_, one->first, tree_.hold_root(salt), random_.below(8) == 0);
        shadow_.restarted(state_, one->first, salt);
        restarts_++;
    }
    void go_on() {
        for (const auto& [id, remaining] : remaining_) set_paused(state_, id, false);
    }

    void step() {
        if (remaining_.empty()) return;
        const auto stands_still = [](const auto& entry) { return entry.second.stands_still(); };
        if (std::ranges::all_of(state_.running, stands_still) && std::ranges::all_of(state_.waiting, stands_still))
            go_on();
        paused_steps_ += state_.paused > 0;
        Plan plan = setup_.policy(state_);
        shadow_.planned(state_, plan);
        if (setup_.stops) stop_some(plan);
        shadow_.ran(state_, plan);
        if (testing::Test::HasFatalFailure()) return;
        now_ps_ += state_.costs.of(state_.shape, plan.segments) + 1000;
        commit(state_, plan);
        shadow_.committed(state_);
        for (const Segment& segment : plan.segments) end_segment(segment);
    }

    // As the executor does when the time is up: all that may stop and have come to a layer, once one of them has moved
    // in this step or in the last.
    void stop_some(Plan& plan) {
        int32_t first = setup_.limits.layers;
        for (const Segment& segment : plan.segments) {
            if (segment.may_stop) first = std::min(first, segment.first_layer);
        }
        if (first < setup_.limits.layers && random_.below(2) > 0) {
            const auto layers = static_cast<uint64_t>(setup_.limits.layers);
            const auto layer = first + (stood_ ? 1 : 0) + static_cast<int32_t>(random_.below(layers));
            const bool everywhere = random_.below(2) > 0;  // closed again where deeper ones begin
            for (Segment& segment : plan.segments) {
                if (!segment.may_stop || segment.end_layer <= layer) continue;
                if (segment.first_layer > layer && !everywhere) continue;
                segment.end_layer = std::max(segment.first_layer, layer);
                stopped_++;
            }
        }
        stood_ = stood_still(plan);
    }

    void end_segment(const Segment& segment) {
        const SequenceState& sequence = state_.running.at(segment.sequence);
        if (segment.end_layer < setup_.limits.layers || segment.end_token < sequence.length()) return;
        if (--remaining_.at(segment.sequence) > 0)
            return append_token(state_, segment.sequence, static_cast<int32_t>(random_.below(2)));
        finished_++;
        cached_ += sequence.cached;
        remove_sequence(state_, segment.sequence);
        shadow_.gone(segment.sequence);
        remaining_.erase(segment.sequence);
    }

    SimulationSetup setup_;
    Random random_;
    PagePool pool_;
    PrefixTree tree_;
    ScheduleState state_;
    ScheduleShadow shadow_;
    std::map<SequenceId, int32_t> remaining_;  // tokens to generate, of the sequences that live
    uint64_t last_id_ = 0;
    int64_t finished_ = 0, cached_ = 0, stopped_ = 0, paused_steps_ = 0, restarts_ = 0, now_ps_ = 0;
    bool stood_ = false;  // prompts that were stopped, in the last step
};

}  // namespace hone::engine
