// A context-free grammar over bytes and special tokens, compiled: one deterministic automaton per rule, whose edges are
// ranges of bytes, single tokens, or calls of rules; a long repetition is a rule that counts the calls of another. Every state can still reach an end, so whoever only takes allowed
// steps never gets stuck. Immutable, any thread; made by GrammarBuilder.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenizer/vocabulary.h"

namespace hone::text {

// What an edge of an automaton reads: bytes are 0 to 255, token t is kFirstToken + t, a call of rule r is kFirstCall + r.
using Symbol = uint32_t;
inline constexpr Symbol kFirstToken = 256, kFirstCall = Symbol{1} << 30;

struct GrammarLimits {
    size_t states = 400'000;   // of all automata, before and after they are made deterministic
    size_t work = 40'000'000;  // steps of compilation, which bound its memory too; about half a second
    uint32_t depth = 128;      // calls that may be open at a time: nesting of the text
    size_t source = 1 << 20;   // bytes of a schema, expression or grammar text
    size_t nesting = 200;      // of groups, and of objects, in the source
};

class Grammar {
  public:
    struct Transition {
        Symbol low = 0, high = 0;  // both inside
        uint32_t target = 0;
    };

    struct State {
        uint32_t bytes = 0, tokens = 0, calls = 0, end = 0;  // where its edges of each kind begin
        uint32_t need = 0;     // further frames that it takes to get from here to the end of the rule
        bool accepts = false;  // the rule may end here
        bool repeats = false;  // no automaton: repetition() of its rule
    };

    struct Rule {
        uint32_t start = 0;  // state
    };

    static constexpr uint32_t kUnbounded = UINT32_MAX;
    struct Repetition {
        uint32_t unit = 0;  // rule; it never matches the empty text
        uint32_t least = 0, most = kUnbounded;
    };

    const State& state(uint32_t index) const { return states_[index]; }
    size_t states() const { return states_.size(); }
    std::span<const Transition> byte_edges(const State& state) const { return edges(state.bytes, state.tokens); }
    std::span<const Transition> token_edges(const State& state) const { return edges(state.tokens, state.calls); }
    std::span<const Transition> call_edges(const State& state) const { return edges(state.calls, state.end); }
    // Nothing but the end of the rule can follow.
    bool is_last(const State& state) const { return state.accepts && state.bytes == state.end && !state.repeats; }
    const Repetition& repetition(const State& state) const { return repetitions_[state.bytes]; }
    uint32_t start_of_unit(const State& state) const { return rules_[repetition(state).unit].start; }
    uint32_t start_of(Symbol call) const { return rules_[call - kFirstCall].start; }
    uint32_t start() const { return rules_.front().start; }
    uint32_t depth() const { return depth_; }

    // Bytes that no edge tells apart have the same class.
    unsigned byte_class(unsigned char byte) const { return classes_[byte]; }
    unsigned byte_classes() const { return class_count_; }
    size_t memory() const { return states_.size() * sizeof(State) + edges_.size() * sizeof(Transition); }

  private:
    friend class GrammarAssembly;
    std::span<const Transition> edges(uint32_t begin, uint32_t end) const {
        return std::span(edges_).subspan(begin, end - begin);
    }

    std::vector<State> states_;
    std::vector<Transition> edges_;
    std::vector<Rule> rules_;  // the first is the root
    std::vector<Repetition> repetitions_;
    std::array<uint8_t, 256> classes_{};
    unsigned class_count_ = 1;
    uint32_t depth_ = 0;
};

}  // namespace hone::text
