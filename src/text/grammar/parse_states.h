// Where a text can be in a grammar: a set of stacks of automaton states. Stacks are linked lists that share their tails,
// each list and each set of lists is kept once, and what a byte does to a set is worked out once, so following a text is
// a table lookup a byte. Grows with use; whoever owns it watches memory(). One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "text/grammar/grammar.h"

namespace hone::text {

class ParseStates {
  public:
    using Id = uint32_t;       // of a set of stacks
    using StackId = uint32_t;  // of a stack

    static constexpr Id kDead = 0;  // the empty set: no way on
    // Stacks without a state: the text is complete; what is below is not known (for work on a rule by itself).
    static constexpr StackId kDone = 0, kHole = 1;
    // A text that can be read in more ways at once is given up.
    static constexpr size_t kMostStacks = 2048;

    struct Stack {
        uint32_t state = 0;      // of the automaton of the rule on top
        StackId parent = kDone;  // where that rule was called
        uint32_t depth = 0;      // frames
        uint32_t height = 0;     // frames that any of its states still needs, counted from the bottom
        uint32_t mark = 0;       // of the closure that saw it last
    };

    // `grammar` outlives this.
    explicit ParseStates(const Grammar& grammar);

    Id start();
    Id step(Id from, uint8_t byte) {
        const Id known = rows_[from * classes_ + grammar_.byte_class(byte)];
        return known != kUnknown ? known : work_out_step(from, byte);
    }
    Id step_token(Id from, TokenId token);
    Id merge(Id a, Id b);

    // A rule's state with nothing known below, and what is behind the end of the rule on top of `stack`.
    Id above_hole(uint32_t state);
    Id after_return(StackId stack);
    Id only(StackId stack);

    std::span<const StackId> stacks(Id id) const {
        return std::span(members_).subspan(sets_[id].begin, sets_[id].size);
    }
    const Stack& stack(StackId id) const { return stacks_[id]; }
    bool contains(Id id, StackId stack) const;  // kDone and kHole
    uint32_t height(Id id) const { return sets_[id].height; }

    // The only byte that leads on, if there is just one.
    std::optional<uint8_t> only_byte(Id id);
    bool reads_tokens(Id id) const;
    // Whether every text made of these kinds of bytes (MaskVocabulary) leads back to the set, whatever its end.
    bool loops_on(Id id, uint64_t kinds);

    // Stacks as lists of states from the top, to go on with in another object.
    using Exported = std::vector<std::vector<uint32_t>>;
    Exported export_state(Id id) const;
    Id import_state(const Exported& exported);

    size_t memory() const;

  private:
    static constexpr Id kUnknown = UINT32_MAX;

    struct Set {
        uint32_t begin = 0, size = 0;
        uint32_t height = 0;
        uint64_t loops = 0;  // once known, with bit 63
    };

    Id work_out_step(Id from, uint8_t byte);
    StackId find_stack(uint32_t state, StackId parent);
    // Adds to closure_ what can be read next with `state` on top of `parent`.
    void begin_closure();
    void close(uint32_t state, StackId parent);
    void close_return(StackId parent);
    void run_closure();
    Id find_set();  // of closure_
    bool fits(uint32_t state, StackId parent) const;
    uint64_t find_loops(Id id);
    bool loops_on_characters(Id id, Id from, unsigned left, uint8_t low, uint8_t high);

    const Grammar& grammar_;
    const size_t classes_;
    std::vector<Stack> stacks_;
    std::unordered_map<uint64_t, StackId> stack_index_;
    std::vector<Set> sets_;
    std::vector<StackId> members_;
    std::unordered_multimap<uint64_t, Id> set_index_;  // by hash
    std::vector<Id> rows_;                             // [sets, classes]
    std::vector<StackId> closure_;
    std::vector<StackId> open_;
    uint32_t round_ = 0;
};

}  // namespace hone::text
