// Looks over a scheduler's shoulder: knows which layers each token crossed and what each page holds, and fails the running
// test where a plan or its commit breaks a promise. Whoever drives the scheduler (a random world, hone simulate) tells it
// what happens. No model, no clock but the step count.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/schedule/policy.h"
#include "engine/schedule/time_budget.h"

namespace hone::engine {

struct ShadowRules {
    int32_t most_budgets = 1;             // that a step's work may be, of token_budget rows through all layers; 0: any
    int64_t most_steps_without_rows = 0;  // of the oldest sequence; 0: what first come first served needs
    int audit_every = 1;                  // steps between full looks at every page
};

class ScheduleShadow {
  public:
    ScheduleShadow(ShadowRules rules, int32_t pages)
        : rules_(rules), pages_(pages), slots_(static_cast<size_t>(pages) * kPageTokens) {}

    // Rows that the pool copies from page to page take what the shadow knows of them along.
    void follow_copies(PagePool& pool) {
        pool.set_row_copier([this, &pool](const std::byte* from, std::byte* to, int32_t rows) {
            const auto slots_at = [&](const std::byte* page) {
                return slots_.begin() +
                       (page - pool.data()) / static_cast<std::ptrdiff_t>(pool.page_bytes()) * kPageTokens;
            };
            std::copy_n(slots_at(from), rows, slots_at(to));
        });
    }

    // After the sequence was enqueued. What another salt computed never counts as the same.
    void arrived(const ScheduleState& state, SequenceId id, const std::string& salt = "") {
        Shadow shadow{.salt = salted(salt)};
        for (const int32_t token : state.waiting.at(id).tokens) extend(shadow, token);
        shadow.last_planned = step_;
        ASSERT_TRUE(shadows_.emplace(id, std::move(shadow)).second) << "sequence " << id.value << " came twice";
    }

    // After the sequence was restarted under another salt.
    void restarted(const ScheduleState& state, SequenceId id, const std::string& salt) {
        Shadow& shadow = shadows_.at(id);
        shadow = {.salt = salted(salt), .last_planned = shadow.last_planned};
        for (const int32_t token : state.waiting.at(id).tokens) extend(shadow, token);
    }

    // After the policy made the plan.
    void planned(const ScheduleState& state, const Plan& plan) {
        for (const SequenceId id : plan.preempted) {
            Shadow& shadow = shadows_.at(id);
            follow(shadow, state.waiting.at(id));
            std::ranges::fill(shadow.crossed, 0);
            shadow.issued = 0;
            shadow.decoding = false;
        }
        for (const auto& [id, sequence] : state.running) follow(shadows_.at(id), sequence);
        ASSERT_EQ(shadows_.size(), state.running.size() + state.waiting.size()) << "a sequence was lost";
        ASSERT_FALSE(plan.segments.empty());
        check_budget(state, plan);
        check_time(state, plan);
    }

    // After the plan's segments crossed their layers, or fewer where they were stopped; before the commit.
    void ran(const ScheduleState& state, const Plan& plan) {
        step_++;
        std::set<SequenceId> planned;
        bool prompt_moved = false;
        for (const Segment& segment : plan.segments) {
            ASSERT_TRUE(planned.insert(segment.sequence).second) << "a sequence is served twice";
            prompt_moved |= !shadows_.at(segment.sequence).decoding && segment.end_layer > segment.first_layer;
            note_adopted(state, segment.sequence);
            cross(state, segment);
        }
        bool prompt_runs = false;
        for (auto& [id, shadow] : shadows_) {
            const bool runs = state.running.contains(id);
            const SequenceState& sequence = runs ? state.running.at(id) : state.waiting.at(id);
            if (planned.contains(id) || sequence.paused)
                shadow.last_planned = step_;
            else
                ASSERT_FALSE(shadow.decoding) << "a decoding sequence missed a step";
            ASSERT_TRUE(!sequence.paused || sequence.issued <= std::max(shadow.issued, sequence.computed))
                << "a paused sequence has begun rows";
            prompt_runs |= !shadow.decoding && runs && !sequence.stands_still();
        }
        const bool stood_before = std::exchange(stood_, stood_still(plan));
        ASSERT_TRUE(prompt_moved || !prompt_runs || !plan.preempted.empty() || (stood_ && !stood_before))
            << "no prompt got on";
        const int64_t patience =
            rules_.most_steps_without_rows > 0 ? rules_.most_steps_without_rows : 2 * state.limits.layers + 40;
        longest_wait_ = std::max(longest_wait_, step_ - shadows_.begin()->second.last_planned);
        ASSERT_LE(longest_wait_, patience) << "the oldest starves";
    }

    // After the commit.
    void committed(const ScheduleState& state) {
        int64_t resting = 0;
        for (const auto& [id, sequence] : state.running) {
            resting += sequence.issued - sequence.computed;
            shadows_.at(id).issued = sequence.issued;
        }
        ASSERT_LE(resting, state.limits.resting_rows);
        if (step_ % rules_.audit_every == 0) audit(state);
    }

    // Before or after a sequence is removed, finished or cancelled.
    void gone(SequenceId id) { ASSERT_EQ(shadows_.erase(id), 1u); }

    // When no sequence is left: all that they held is released.
    void all_gone(const ScheduleState& state) const {
        EXPECT_TRUE(shadows_.empty() && state.running.empty() && state.waiting.empty());
        EXPECT_EQ(state.pool.in_use(), 0);
        EXPECT_EQ(state.reserved, 0);
        EXPECT_EQ(state.paused, 0);
        EXPECT_EQ(state.pool.cached_only(), state.tree.size());
    }

    int64_t longest_wait() const { return longest_wait_; }

  private:
    struct Shadow {
        uint64_t salt;
        std::vector<int32_t> crossed;  // layers, of each token
        std::vector<uint64_t> prefix;  // hash of the tokens up to each one
        int64_t last_planned = 0;      // step, or the last one in which it was paused
        int32_t issued = 0;            // after the last step
        bool decoding = false;
    };
    struct Slot {
        uint64_t prefix = 0;
        int32_t layers = 0;
    };

    static uint64_t salted(const std::string& salt) { return std::hash<std::string>()(salt) | 1; }

    static void extend(Shadow& shadow, int32_t token) {
        const uint64_t before = shadow.prefix.empty() ? shadow.salt : shadow.prefix.back();
        shadow.prefix.push_back((before ^ static_cast<uint64_t>(token + 1)) * 0x9E3779B97F4A7C15);
        shadow.crossed.push_back(0);
    }

    // Tokens were appended since the last plan.
    static void follow(Shadow& shadow, const SequenceState& sequence) {
        for (size_t i = shadow.prefix.size(); i < sequence.tokens.size(); i++) {
            extend(shadow, sequence.tokens[i]);
            shadow.decoding = true;
        }
    }

    void check_budget(const ScheduleState& state, const Plan& plan) const {
        ASSERT_LE(std::ssize(state.running), state.limits.max_batch);
        int64_t work = 0;
        for (const Segment& segment : plan.segments) {
            if (shadows_.at(segment.sequence).decoding) continue;
            work += int64_t{segment.end_token - segment.first_token} * (segment.end_layer - segment.first_layer);
        }
        if (rules_.most_budgets > 0) {
            ASSERT_LE(work, int64_t{rules_.most_budgets} * state.limits.token_budget * state.limits.layers);
        }
    }

    static std::string described(const ScheduleState& state, const Plan& plan) {
        std::string text;
        for (const Segment& segment : plan.segments) {
            text += fmt::format("\n{} {}tokens [{}, {}), layers [{}, {})", segment.sequence.value,
                                state.running.at(segment.sequence).decoding ? "decodes " : "", segment.first_token,
                                segment.end_token, segment.first_layer, segment.end_layer);
        }
        return text;
    }

    // By the estimate, prompts take what the time budget leaves beside the decoding rows, or an eighth of these, and an
    // eighth of that more; or one row passes one layer, so that some prompt gets on.
    void check_time(const ScheduleState& state, const Plan& plan) const {
        if (plan.budget_ps == 0) return;
        LayerWork decodes;
        int64_t work = 0;
        for (const Segment& segment : plan.segments) {
            if (shadows_.at(segment.sequence).decoding)
                decodes.add(segment);
            else
                work += int64_t{segment.end_token - segment.first_token} * (segment.end_layer - segment.first_layer);
        }
        const int64_t alone = decode_picoseconds(state, decodes);
        const int64_t layers = state.costs.of(state.shape, plan.segments);
        const int64_t all = layers + state.costs.step + decodes.rows * state.costs.logits;
        const int64_t room = std::max(plan.budget_ps - alone, alone / 8);
        ASSERT_TRUE(all - alone <= room + room / 8 + state.limits.layers || work <= 1)
            << all << ", decoding " << alone << ", of " << plan.budget_ps << described(state, plan);
    }

    // Tokens that the plan found in the cache count as computed, if it may skip them and the pages hold them.
    void note_adopted(const ScheduleState& state, SequenceId id) {
        Shadow& shadow = shadows_.at(id);
        const SequenceState& sequence = state.running.at(id);
        for (int32_t i = 0; i < sequence.computed; i++) {
            if (shadow.crossed[static_cast<size_t>(i)] == state.limits.layers) continue;
            ASSERT_EQ(slot_of(sequence, i).prefix, shadow.prefix[static_cast<size_t>(i)]);
            ASSERT_EQ(slot_of(sequence, i).layers, state.limits.layers);
            ASSERT_LT(i, sequence.length() - 1);
            ASSERT_TRUE(!sequence.every_row || i < sequence.computed_ever);
            shadow.crossed[static_cast<size_t>(i)] = state.limits.layers;
        }
    }

    Slot& slot_of(const SequenceState& sequence, int32_t token) {
        const int32_t page = sequence.pages.at(static_cast<size_t>(token / kPageTokens));
        return slots_.at(static_cast<size_t>(page) * kPageTokens + static_cast<size_t>(token % kPageTokens));
    }

    void cross(const ScheduleState& state, const Segment& segment) {
        Shadow& shadow = shadows_.at(segment.sequence);
        const SequenceState& sequence = state.running.at(segment.sequence);
        if (shadow.decoding) {
            ASSERT_EQ(segment.first_layer, 0);
            ASSERT_EQ(segment.end_layer, state.limits.layers);
            ASSERT_EQ(segment.end_token, sequence.length());
        }
        // Every computed token crossed all layers, and its page says so; the last token of each page stands for it.
        const int32_t computed = sequence.computed;
        for (int32_t i = std::min(computed, kPageTokens) - 1; i >= 0 && i < computed;
             i = i + 1 == computed ? computed : std::min(i + kPageTokens, computed - 1)) {
            ASSERT_EQ(shadow.crossed[static_cast<size_t>(i)], state.limits.layers);
            ASSERT_EQ(slot_of(sequence, i).layers, state.limits.layers);
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

    // References, reservations and contents of all pages agree with the sequences.
    void audit(const ScheduleState& state) {
        std::vector<int32_t> references(static_cast<size_t>(pages_));
        int32_t reserved = 0;
        for (const auto& [id, sequence] : state.running) {
            reserved += sequence.reserved;
            for (const int32_t page : sequence.pages) references[static_cast<size_t>(page)]++;
            for (int32_t i = 0; i < sequence.computed; i++) {
                ASSERT_EQ(slot_of(sequence, i).prefix, shadows_.at(id).prefix[static_cast<size_t>(i)]);
                ASSERT_EQ(slot_of(sequence, i).layers, state.limits.layers);
            }
        }
        for (const auto& [id, sequence] : state.waiting) ASSERT_TRUE(sequence.pages.empty() && sequence.reserved == 0);
        ASSERT_EQ(reserved, state.reserved);
        ASSERT_GE(state.spare_pages(), 0);
        int32_t used = 0;
        for (int32_t page = 0; page < pages_; page++) {
            ASSERT_EQ(state.pool.references(page), references[static_cast<size_t>(page)]);
            used += references[static_cast<size_t>(page)] > 0;
        }
        ASSERT_EQ(state.pool.in_use(), used);
    }

    const ShadowRules rules_;
    const int32_t pages_;
    std::vector<Slot> slots_;
    std::map<SequenceId, Shadow> shadows_;
    int64_t step_ = 0, longest_wait_ = 0;
    bool stood_ = false;  // prompts that were stopped, in the last step
};

}  // namespace hone::engine
