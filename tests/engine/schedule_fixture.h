// A schedule of a small model and pool, with sequences that arrive and steps that are planned and committed.
#pragma once

#include <numeric>

#include <gtest/gtest.h>

#include "engine/schedule/policy.h"

namespace hone::engine {

// A prompt unlike any other.
inline SequenceState prompt_of(SequenceId id, int32_t length) {
    SequenceState sequence;
    sequence.id = id;
    sequence.tokens.resize(static_cast<size_t>(length));
    std::iota(sequence.tokens.begin(), sequence.tokens.end(), static_cast<int32_t>(100'000 * id.value));
    return sequence;
}

// Plans and commits a step; sequences that are computed to their end draw token 7.
inline Plan take_step(ScheduleState& state, Policy policy) {
    Plan plan = policy(state);
    commit(state, plan);
    for (const Segment& segment : plan.segments) {
        const SequenceState& sequence = state.running.at(segment.sequence);
        if (sequence.computed == sequence.length()) append_token(state, sequence.id, 7);
    }
    return plan;
}

class ScheduleTest : public testing::Test {
  protected:
    static constexpr int32_t kLayers = 6;

    SequenceId arrive(std::vector<int32_t> tokens, bool every_row = false) {
        SequenceState sequence;
        sequence.id = {++last_id};
        sequence.tokens = std::move(tokens);
        sequence.every_row = every_row;
        enqueue(state, std::move(sequence));
        return {last_id};
    }
    SequenceId arrive(int32_t length, uint32_t tenant = 0) {
        SequenceState sequence = prompt_of({++last_id}, length);
        sequence.tenant = tenant;
        enqueue(state, std::move(sequence));
        return {last_id};
    }
    SequenceId arrive_at(int64_t second, int32_t length, int32_t priority) {
        const auto id = arrive(length);
        state.waiting.at(id).arrival_ns = second * 1'000'000'000;
        state.waiting.at(id).priority = priority;
        return id;
    }
    void remove_all() {
        for (auto* sequences : {&state.waiting, &state.running}) {
            while (!sequences->empty()) remove_sequence(state, sequences->begin()->first);
        }
    }
    Plan step(Policy policy = plan_chunked) { return take_step(state, policy); }

    PagePool pool = std::move(*PagePool::create(64, 16));
    PrefixTree tree{pool};
    ScheduleState state{.limits = {.layers = kLayers, .max_batch = 4, .token_budget = 100, .prefix_cache = true},
                        .pool = pool,
                        .tree = tree,
                        .shape = ModelShape(kLayers, {}, 0, 0),
                        .costs = {},
                        .waiting = {},
                        .running = {},
                        .tenants = {}};
    uint64_t last_id = 0;
};

}  // namespace hone::engine
