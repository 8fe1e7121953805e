// The two-dimensional policy (policy.h, plan_auto).

#include <algorithm>
#include <span>

#include "engine/schedule/policy.h"
#include "engine/schedule/time_budget.h"

namespace hone::engine {

namespace {

// Alone, prompts gain nothing from more tokens in a step, and who comes next waits for less.
constexpr int32_t kOpenTokens = 1024;
// What a step may take up whatever is known of such steps; more than twice the rows of any step before only then: a
// layer that has begun cannot be stopped.
constexpr int64_t kFewTokens = 256;

// What so few rows take cannot be told from steps that had more than so many times as many.
constexpr int64_t kFewerRows = 4;

// The rows that `count` more tokens of a sequence make.
Segment next_rows(const SequenceState& sequence, int32_t count) {
    const int32_t first = sequence.resting() ? sequence.computed + sequence.passed : sequence.computed;
    return {.sequence = sequence.id, .first_token = first, .end_token = first + count};
}

LayerWork plus(LayerWork work, const Segment& segment) {
    work.add(segment);
    return work;
}

// A step being filled beside the rows that decode.
class Filling {
  public:
    Filling(ScheduleState& state, Plan& plan, LayerWork decodes)
        : state_(state), plan_(plan), decodes_(decodes), step_ps_(decode_picoseconds(state, decodes)) {
        const int64_t budget = step_budget(state, decodes);
        plan.budget_ps = budget;
        open_ = budget == 0;
        // An eighth of the decoding rows' time is taken in any case.
        const int64_t filled = planned_part(state, budget);
        left_ps_ = whole_ps_ = open_ ? kMostPicoseconds : std::max(filled - step_ps_, step_ps_ / 8);
        // Beside the first streams prompts take the least step there is, so that the gap becomes known that they have to fit.
        if (!open_ && state.costs.least_rows > kFewerRows * decodes.rows) left_ps_ = whole_ps_ = 0;
        const int64_t known = std::max<int64_t>(kFewTokens, 2 * state.costs.most_rows);
        tokens_left_ = static_cast<int32_t>(std::min<int64_t>(state.limits.token_budget, open_ ? kOpenTokens : known));
        rest_left_ = state.limits.resting_rows;
        for (const auto& [id, sequence] : state.running) rest_left_ -= sequence.issued - sequence.computed;
        for (const Segment& segment : plan.segments) rest_left_ += segment.end_token - segment.first_token;
    }

    // Adds the next group of rows, the most urgent prompt's first, or those that it waits for; false when there is nothing
    // to add or no time for it.
    bool add_group(std::vector<SequenceState*>& prompts) {
        if (begun_ && (open_ || left_ps_ < whole_ps_ / 4)) return false;
        for (size_t lead = 0; lead < prompts.size(); lead++) {
            const size_t wanted = prompts[lead]->resting() ? lead : awaited(prompts, *prompts[lead]);
            if (wanted < prompts.size()) {
                advance_group(prompts, wanted);
                return true;
            }
            if (issue_group(prompts, lead)) return true;
        }
        return false;
    }

  private:
    // Which of `prompts` the sequence waits for; their number if it is none of them.
    size_t awaited(std::span<SequenceState* const> prompts, SequenceState& sequence) const {
        adopt_cached(state_, sequence);
        const auto found = std::ranges::find(prompts, awaited_sequence(state_, sequence, by_expected_finish));
        return static_cast<size_t>(found - prompts.begin());
    }

    // What rows of `work` add to a step that decodes anyway.
    int64_t extra_ps(LayerWork work, int32_t first_layer, int32_t end_layer) const {
        LayerWork without = decodes_, with = decodes_;
        with.rows += work.rows;
        with.context += work.context;
        with.pairs += work.pairs;
        without.first_layer = with.first_layer = first_layer;
        without.end_layer = with.end_layer = end_layer;
        const int64_t alone = decodes_.rows > 0 ? state_.costs.of(state_.shape, without) : 0;
        return std::max<int64_t>(state_.costs.of(state_.shape, with) - alone, 1);
    }

    bool fits(LayerWork work, int32_t first_layer, int32_t end_layer) const {
        return open_ || extra_ps(work, first_layer, end_layer) <= left_ps_;
    }
    // Of a chunk that was measured out in an earlier step, when the estimate was another: a step that leaves a few of its
    // rows behind costs more than one that is a little late.
    bool nearly_fits(LayerWork work, int32_t first_layer, int32_t end_layer) const {
        return open_ || extra_ps(work, first_layer, end_layer) <= left_ps_ + left_ps_ / 8;
    }

    // The most of 1 to `most` for which `fits_with` holds; 1 if it holds for none. It holds up to a point.
    template <class FitsWith>
    static int32_t most_that_fits(int32_t most, FitsWith fits_with) {
        int32_t low = 1, high = most;
        while (low < high) {
            const int32_t middle = low + (high - low + 1) / 2;
            if (fits_with(middle))
                low = middle;
            else
                high = middle - 1;
        }
        return low;
    }

    // Rows that rest before the same layer as the lead's go on together, as far as the time allows; a lead whose rows
    // are too many for one layer goes on with some of them.
    void advance_group(std::vector<SequenceState*>& prompts, size_t lead) {
        SequenceState& sequence = *prompts[lead];
        const int32_t layer = sequence.frontier;
        int32_t rows = rows_to_advance(sequence);
        if (!nearly_fits(plus({}, next_rows(sequence, rows)), layer, layer + 1)) {
            rows = most_that_fits(
                rows, [&](int32_t count) { return fits(plus({}, next_rows(sequence, count)), layer, layer + 1); });
        }
        LayerWork work = plus({}, next_rows(sequence, rows));
        const bool is_part = rows < rows_to_advance(sequence) || sequence.passed > 0;
        const bool is_late = !(is_part ? fits(work, layer, layer + 1) : nearly_fits(work, layer, layer + 1));
        if (is_part || (begun_ && is_late)) prompts.erase(prompts.begin() + static_cast<std::ptrdiff_t>(lead));
        if (begun_ && is_late) return;
        if (is_part) {
            advance_rows(plan_, sequence, layer + 1, rows);
            return added(work, layer, layer + 1, 1);
        }
        std::vector<SequenceState*> group;
        std::erase_if(prompts, [&](SequenceState* other) {
            if (!other->resting() || other->frontier != layer || other->passed > 0) return false;
            const LayerWork with = plus(work, next_rows(*other, rows_to_advance(*other)));
            if (other != &sequence && !fits(with, layer, layer + 1)) return false;
            if (other != &sequence) work = with;
            group.push_back(other);
            return true;
        });
        const int32_t layers = most_that_fits(state_.limits.layers - layer,
                                              [&](int32_t count) { return nearly_fits(work, layer, layer + count); });
        for (SequenceState* member : group) advance_rows(plan_, *member, layer + layers);
        added(work, layer, layer + layers, group.size());
    }

    // Prompts of which no rows rest, in order, that may begin a chunk together: at most `tokens_left_` tokens that may
    // have to rest.
    std::vector<SequenceState*> candidates(std::span<SequenceState* const> prompts, int32_t& tokens) const {
        std::vector<SequenceState*> found;
        const int32_t most = std::min(tokens_left_, rest_left_);
        tokens = 0;
        for (SequenceState* sequence : prompts) {
            if (tokens >= most) break;
            if (sequence->resting()) continue;
            adopt_cached(state_, *sequence);
            if (awaits_shared_page(state_, *sequence, by_expected_finish)) continue;
            found.push_back(sequence);
            tokens += std::min(most - tokens, sequence->length() - sequence->computed);
        }
        return found;
    }

    static LayerWork first_tokens(std::span<SequenceState* const> sequences, int32_t tokens) {
        LayerWork work;
        for (const SequenceState* sequence : sequences) {
            const int32_t count = std::min(tokens, sequence->length() - sequence->computed);
            if (count == 0) break;
            work.add(next_rows(*sequence, count));
            tokens -= count;
        }
        return work;
    }

    struct Choice {
        int32_t tokens = 0, layers = 0;
    };

    // The chunk and the layers a step for it that bring the prompts on soonest: of all numbers of layers, with as many
    // tokens as fit, the one with the least time a token until the chunk has crossed the model.
    Choice choose(std::span<SequenceState* const> sequences, int32_t most_tokens) const {
        const int32_t depth = state_.limits.layers;
        Choice best{.tokens = most_tokens, .layers = depth};
        if (open_) return best;
        double best_time = 0;
        for (int32_t layers = 1; layers <= depth; layers++) {
            const int32_t tokens = most_that_fits(
                most_tokens, [&](int32_t count) { return fits(first_tokens(sequences, count), 0, layers); });
            if (layers > 1 && !fits(first_tokens(sequences, tokens), 0, layers)) break;
            const int32_t steps = (depth + layers - 1) / layers;
            const double time = static_cast<double>(steps) * static_cast<double>(step_ps_) +
                                static_cast<double>(extra_ps(first_tokens(sequences, tokens), 0, depth));
            if (layers == 1 || time / tokens < best_time) {
                best = {.tokens = tokens, .layers = layers};
                best_time = time / tokens;
            }
        }
        return best;
    }

    bool issue_group(std::vector<SequenceState*>& prompts, size_t lead) {
        int32_t most_tokens = 0;
        const auto sequences = candidates(std::span(prompts).subspan(lead), most_tokens);
        if (sequences.empty() || most_tokens < 1) return false;
        const Choice choice = choose(sequences, most_tokens);
        const LayerWork work = first_tokens(sequences, choice.tokens);
        if (begun_ && !fits(work, 0, choice.layers)) return false;
        int32_t tokens = choice.tokens;
        size_t begun = 0;
        for (SequenceState* sequence : sequences) {
            if (tokens == 0) break;
            if (awaits_shared_page(state_, *sequence, by_expected_finish)) continue;  // of one that has just begun
            const int32_t count = std::min(tokens, sequence->length() - sequence->computed);
            issue_rows(state_, plan_, *sequence, count, choice.layers);
            tokens -= count;
            begun++;
            std::erase(prompts, sequence);
        }
        tokens_left_ -= choice.tokens;
        rest_left_ -= choice.tokens;
        added(work, 0, choice.layers, begun);
        return true;
    }

    // The last `segments` segments of the plan, with this work, take their part of the time.
    void added(LayerWork work, int32_t first_layer, int32_t end_layer, size_t segments) {
        begun_ = true;
        if (!open_) left_ps_ -= extra_ps(work, first_layer, end_layer);
        for (Segment& segment : std::span(plan_.segments).last(segments)) segment.may_stop = true;
    }

    ScheduleState& state_;
    Plan& plan_;
    const LayerWork decodes_;
    const int64_t step_ps_;  // of the decoding rows alone
    bool open_ = false, begun_ = false;
    int64_t whole_ps_ = 0, left_ps_ = 0;  // for prompts
    int32_t tokens_left_ = 0, rest_left_ = 0;
};

}  // namespace

Turn by_expected_finish(const ScheduleState& state, const SequenceState& sequence) {
    LayerWork work{.first_layer = 0, .end_layer = state.limits.layers};
    const int32_t first = std::max(sequence.computed, sequence.known_prefix);
    work.add({.sequence = sequence.id, .first_token = first, .end_token = sequence.length()});
    Turn turn = by_arrival(state, sequence);
    turn.due_ns += state.costs.of(state.shape, work) / 1000;
    return turn;
}

Plan plan_auto(ScheduleState& state) {
    Plan plan;
    plan_decodes(state, plan);
    LayerWork decodes;
    for (const Segment& segment : plan.segments) decodes.add(segment);
    admit_if_calm(state, plan, by_expected_finish);
    auto prompts = running_prompts(state, by_expected_finish);
    if (prompts.empty()) return plan;
    Filling filling(state, plan, decodes);
    while (filling.add_group(prompts)) {
    }
    return plan;
}

}  // namespace hone::engine
