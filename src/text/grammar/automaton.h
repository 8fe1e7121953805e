// Finite automata over symbols (bytes, tokens, calls): how rules are made deterministic, and what intersection and
// difference of regular languages are computed with. Everything counts its steps against a WorkBudget and stops early,
// with a result of no use, when that is spent. One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/grammar/grammar.h"

namespace hone::text {

class WorkBudget {
  public:
    explicit WorkBudget(const GrammarLimits& limits) : work_(limits.work), states_(limits.states) {}

    // Returns whether there is any left.
    bool work(size_t steps) { return take(work_, steps); }
    bool state() { return take(states_, 1); }
    bool spent() const { return spent_; }

  private:
    bool take(size_t& from, size_t amount) {
        if (spent_ || from < amount) return !(spent_ = true);
        from -= amount;
        return true;
    }

    size_t work_, states_;
    bool spent_ = false;
};

using Transition = Grammar::Transition;

// Not deterministic, as Thompson builds it.
struct LooseAutomaton {
    struct State {
        std::vector<Transition> edges;
        std::vector<uint32_t> jumps;  // edges that read nothing
    };
    std::vector<State> states;
    uint32_t start = 0, end = 0;  // one accepting state
};

// Deterministic: edges of a state are ascending and do not overlap; state 0 is the first.
struct Automaton {
    struct State {
        std::vector<Transition> edges;
        bool accepts = false;

        // The target of the edge that reads `symbol`, or null.
        const uint32_t* next(Symbol symbol) const;
    };
    std::vector<State> states;

    bool matches(std::string_view text) const;
    bool is_empty() const;  // after trimmed()
};

Automaton determinise(const LooseAutomaton& loose, WorkBudget& budget);
// Texts of `a` that are in `b` too (or not).
Automaton intersect(const Automaton& a, const Automaton& b, WorkBudget& budget);
Automaton subtract(const Automaton& a, const Automaton& b, WorkBudget& budget);
// Without the states from which no end can be reached (but the first); states that cannot be told apart because all
// that follows is the same are one, loops aside.
Automaton trimmed(const Automaton& automaton);

}  // namespace hone::text
