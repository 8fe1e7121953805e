// A world around the scheduler: sequences with fake lengths arrive, are cancelled and end at random, and every plan is
// checked against a shadow that knows which layers each token crossed and what each page holds. No model, no clock but
// the step count.
#pragma once

#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "engine/schedule/policy.h"

namespace hone::engine {

struct SimulationSetup {
    ScheduleLimits limits;
    int32_t pages = 16;
    int32_t longest = 400;  // prompt and generated tokens; fits in the pages
    Policy policy = plan_chunked;
    bool in_budget = true;  // the policy takes no more work than token_budget rows through all layers
    StepCosts costs;
    int64_t most_steps_without_rows = 0;  // of the oldest sequence; 0: what first come first served needs
    bool stops = false;                   // segments that may stop do so at random layers
    uint64_t seed = 0;
    double arrival = 0.3, cancellation = 0.02;  // chance a step
    int32_t most = 30;                          // sequences at once
    int audit_every = 1;                        // steps between full looks at every page
};

class ScheduleSimulation {
  public:
    explicit ScheduleSimulation(const SimulationSetup& setup)
        : setup_(setup),
          random_(setup.seed),
          pool_(std::move(*PagePool::create(64, setup.pages))),
          tree_(pool_),
          state_{.limits = setup.limits, .pool = pool_, .tree = tree_, .waiting = {}, .running = {}},
          slots_(static_cast<size_t>(setup.pages) * kPageTokens) {
        const std::vector<int32_t> routed(setup.limits.layers > 1 ? 1 : 0, setup.limits.layers / 2);
        state_.shape = ModelShape(setup.limits.layers, routed, 8, 2);
        state_.costs = setup.costs;
    }

    // Steps until `steps` were made or a check failed, then lets everything end and checks that nothing is left.
    void run(int64_t steps) {
        for (step_ = 0; step_ < steps && !testing::Test::HasFailure(); step_++) {
            if (std::ssize(shadows_) < setup_.most && random_.uniform() < setup_.arrival) arrive();
            if (random_.uniform() < setup_.cancellation) cancel_one();
            step();
        }
        for (; !shadows_.empty() && !testing::Test::HasFailure(); step_++) step();
        if (testing::Test::HasFailure()) return;
        EXPECT_EQ(pool_.in_use(), 0);
        EXPECT_EQ(state_.reserved, 0);
        EXPECT_EQ(pool_.cached_only(), tree_.size());
    }

    int64_t finished() const { return finished_; }
    int64_t longest_wait() const { return longest_wait_; }
    int64_t stopped() const { return stopped_; }
    int64_t cached_tokens() const { return cached_; }
    int64_t preemptions() const { return static_cast<int64_t>(state_.preemptions); }

  private:
    struct Shadow {
        std::vector<int32_t> crossed;  // layers, of each token
        std::vector<uint64_t> prefix;  // hash of the tokens up to each one
        int32_t remaining = 0;         // tokens to generate
        int64_t last_planned = 0;      // step
        bool decoding = false;
    };
    struct Slot {
        uint64_t prefix = 0;
        int32_t layers = 0;
    };

    void arrive() {
        SequenceState sequence;
        sequence.id = {++last_id_};
        const auto total = 1 + static_cast<int32_t>(random_.below(static_cast<uint64_t>(setup_.longest)));
        const auto prompt = 1 + static_cast<int32_t>(random_.below(static_cast<uint64_t>(total)));
        // Prompts share one of three beginnings for a random stretch, so that whole pages repeat.
        const auto kind = static_cast<int32_t>(random_.below(3));
        const auto shared = static_cast<int32_t>(random_.below(static_cast<uint64_t>(prompt) + 1));
        for (int32_t i = 0; i < prompt; i++) {
            sequence.tokens.push_back(i < shared ? kind : static_cast<int32_t>(random_.below(1000)));
        }
        sequence.every_row = random_.below(8) == 0;
        sequence.arrival_ns = now_ps_ / 1000;
        Shadow shadow;
        shadow.remaining = std::max(1, total - prompt);
        shadow.last_planned = step_;
        for (const int32_t token : sequence.tokens) extend(shadow, token);
        if (!can_ever_fit(state_, prompt + shadow.remaining)) return;
        shadows_.emplace(sequence.id, std::move(shadow));
        enqueue(state_, std::move(sequence));
    }

    static void extend(Shadow& shadow, int32_t token) {
        const uint64_t before = shadow.prefix.empty() ? 1 : shadow.prefix.back();
        shadow.prefix.push_back((before ^ static_cast<uint64_t>(token + 1)) * 0x9E3779B97F4A7C15);
        shadow.crossed.push_back(0);
    }

    void cancel_one() {
        if (shadows_.empty()) return;
        auto victim = shadows_.begin();
        std::advance(victim, static_cast<std::ptrdiff_t>(random_.below(shadows_.size())));
        remove_sequence(state_, victim->first);
        shadows_.erase(victim);
    }

    void step() {
        if (shadows_.empty()) return;
        Plan plan = setup_.policy(state_);
        ASSERT_FALSE(plan.segments.empty());
        for (const SequenceId id : plan.preempted) {
            std::ranges::fill(shadows_.at(id).crossed, 0);
            shadows_.at(id).decoding = false;
        }
        check_budget(plan);
        if (setup_.stops) stop_some(plan);
        std::set<SequenceId> planned;
        for (const Segment& segment : plan.segments) {
            ASSERT_TRUE(planned.insert(segment.sequence).second);
            note_adopted(segment.sequence);
            run(segment);
        }
        for (auto& [id, shadow] : shadows_) {
            if (planned.contains(id))
                shadow.last_planned = step_;
            else
                ASSERT_FALSE(shadow.decoding) << "a decoding sequence missed a step";
        }
        const int64_t patience =
            setup_.most_steps_without_rows > 0 ? setup_.most_steps_without_rows : 2 * setup_.limits.layers + 40;
        longest_wait_ = std::max(longest_wait_, step_ - shadows_.begin()->second.last_planned);
        ASSERT_LE(longest_wait_, patience) << "the oldest starves";
        now_ps_ += state_.costs.of(state_.shape, plan.segments) + 1000;
        commit(state_, plan);
        if (step_ % setup_.audit_every == 0) audit();
        for (const Segment& segment : plan.segments) end_segment(segment);
    }

    // As the executor does when the time is up: all that may stop, at one layer, once one of them has moved.
    void stop_some(Plan& plan) {
        int32_t first = setup_.limits.layers;
        for (const Segment& segment : plan.segments) {
            if (segment.may_stop) first = std::min(first, segment.first_layer);
        }
        if (first == setup_.limits.layers || random_.below(2) == 0) return;
        const auto layer = first + 1 + static_cast<int32_t>(random_.below(static_cast<uint64_t>(setup_.limits.layers)));
        for (Segment& segment : plan.segments) {
            if (!segment.may_stop || segment.end_layer <= layer) continue;
            segment.end_layer = std::max(segment.first_layer, layer);
            stopped_++;
        }
    }

    void check_budget(const Plan& plan) {
        ASSERT_LE(std::ssize(state_.running), setup_.limits.max_batch);
        int64_t work = 0;
        for (const Segment& segment : plan.segments) {
            if (shadows_.at(segment.sequence).decoding) continue;
            work += int64_t{segment.end_token - segment.first_token} * (segment.end_layer - segment.first_layer);
        }
        int64_t resting = 0;
        for (const auto& [id, sequence] : state_.running) {
            if (!sequence.decoding) resting += sequence.issued - sequence.computed;
        }
        ASSERT_LE(resting, setup_.limits.resting_rows);
        if (setup_.in_budget) {
            ASSERT_LE(work, int64_t{setup_.limits.token_budget} * setup_.limits.layers);
        }
    }

    // Tokens that the plan found in the cache count as computed, if it may skip them and the pages hold them.
    void note_adopted(SequenceId id) {
        Shadow& shadow = shadows_.at(id);
        const SequenceState& sequence = state_.running.at(id);
        for (int32_t i = 0; i < sequence.computed; i++) {
            if (shadow.crossed[static_cast<size_t>(i)] == setup_.limits.layers) continue;
            ASSERT_TRUE(i < sequence.published * kPageTokens);
            ASSERT_TRUE(!sequence.every_row || i < sequence.computed_ever);
            shadow.crossed[static_cast<size_t>(i)] = setup_.limits.layers;
        }
    }

    Slot& slot_of(const SequenceState& sequence, int32_t token) {
        const int32_t page = sequence.pages.at(static_cast<size_t>(token / kPageTokens));
        return slots_.at(static_cast<size_t>(page) * kPageTokens + static_cast<size_t>(token % kPageTokens));
    }

    void run(const Segment& segment) {
        Shadow& shadow = shadows_.at(segment.sequence);
        const SequenceState& sequence = state_.running.at(segment.sequence);
        if (shadow.decoding) {
            ASSERT_EQ(segment.first_layer, 0);
            ASSERT_EQ(segment.end_layer, setup_.limits.layers);
            ASSERT_EQ(segment.end_token, sequence.length());
        }
        // Every computed token crossed all layers, and its page says so; the last token of each page stands for it.
        const int32_t computed = sequence.computed;
        for (int32_t i = std::min(computed, kPageTokens) - 1; i >= 0 && i < computed;
             i = i + 1 == computed ? computed : std::min(i + kPageTokens, computed - 1)) {
            ASSERT_EQ(shadow.crossed[static_cast<size_t>(i)], setup_.limits.layers);
            ASSERT_EQ(slot_of(sequence, i).layers, setup_.limits.layers);
            ASSERT_EQ(slot_of(sequence, i).prefix, shadow.prefix[static_cast<size_t>(i)]);
        }
        for (int32_t i = computed; i < segment.first_token; i++) {
            ASSERT_EQ(shadow.crossed[static_cast<size_t>(i)], segment.first_layer + 1) << "token " << i;
        }
        for (int32_t i = segment.first_token; i < segment.end_token; i++) {
            const auto at = static_cast<size_t>(i);
            ASSERT_EQ(shadow.crossed[at], segment.first_layer) << "token " << i;
            if (segment.first_layer > 0) {
                ASSERT_EQ(slot_of(sequence, i).prefix, shadow.prefix[at]);
            }
            shadow.crossed[at] = segment.end_layer;
            slot_of(sequence, i) = {shadow.prefix[at], segment.end_layer};
        }
    }

    void end_segment(const Segment& segment) {
        const auto found = shadows_.find(segment.sequence);
        SequenceState& sequence = state_.running.at(segment.sequence);
        Shadow& shadow = found->second;
        if (segment.end_layer < setup_.limits.layers || segment.end_token < sequence.length()) return;
        if (--shadow.remaining == 0) {
            finished_++;
            cached_ += sequence.cached;
            remove_sequence(state_, segment.sequence);
            shadows_.erase(found);
            return;
        }
        const auto token = static_cast<int32_t>(random_.below(2));
        extend(shadow, token);
        append_token(state_, segment.sequence, token);
        shadow.decoding = true;
    }

    // References, reservations and contents of all pages agree with the sequences.
    void audit() {
        std::vector<int32_t> references(static_cast<size_t>(setup_.pages));
        int32_t reserved = 0;
        for (const auto& [id, sequence] : state_.running) {
            reserved += sequence.reserved;
            for (const int32_t page : sequence.pages) references[static_cast<size_t>(page)]++;
            for (int32_t i = 0; i < sequence.computed; i++) {
                ASSERT_EQ(slot_of(sequence, i).prefix, shadows_.at(id).prefix[static_cast<size_t>(i)]);
                ASSERT_EQ(slot_of(sequence, i).layers, setup_.limits.layers);
            }
        }
        for (const auto& [id, sequence] : state_.waiting) ASSERT_TRUE(sequence.pages.empty() && sequence.reserved == 0);
        ASSERT_EQ(reserved, state_.reserved);
        ASSERT_GE(state_.spare_pages(), 0);
        int32_t used = 0;
        for (int32_t page = 0; page < setup_.pages; page++) {
            ASSERT_EQ(pool_.references(page), references[static_cast<size_t>(page)]);
            used += references[static_cast<size_t>(page)] > 0;
        }
        ASSERT_EQ(pool_.in_use(), used);
    }

    SimulationSetup setup_;
    Random random_;
    PagePool pool_;
    PrefixTree tree_;
    ScheduleState state_;
    std::vector<Slot> slots_;
    std::map<SequenceId, Shadow> shadows_;
    uint64_t last_id_ = 0;
    int64_t step_ = 0, finished_ = 0, cached_ = 0, stopped_ = 0, longest_wait_ = 0, now_ps_ = 0;
};

}  // namespace hone::engine
