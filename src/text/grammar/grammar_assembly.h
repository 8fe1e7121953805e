// Puts the automata of all rules into one Grammar: checks that no rule begins with itself, removes what can never end,
// and counts the frames that every state needs. Lives for one GrammarBuilder::build.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "text/grammar/automaton.h"
#include "text/grammar/grammar.h"

namespace hone::text {

class GrammarAssembly {
  public:
    explicit GrammarAssembly(uint32_t depth) { grammar_.depth_ = depth; }

    // Rule 0 is the root; calls name rules in the order in which they are added.
    void add(std::string name, const Automaton& automaton);
    void add_repetition(std::string name, const Grammar::Repetition& repetition);
    // `empty`: the error where no text is left.
    Result<Grammar> finish(const Error& empty);

  private:
    static constexpr uint32_t kNever = UINT32_MAX;

    void count_needs();
    uint32_t need_of(const Grammar::State& state) const;
    void drop_dead_ends();
    void find_empty_states();
    // Rules that a text of this rule may begin with.
    std::vector<uint32_t> first_calls(uint32_t rule) const;
    Status check_beginnings() const;
    Status check_repetitions() const;
    void classify_bytes();

    Grammar grammar_;
    std::vector<std::string> names_;
    std::vector<bool> is_empty_;
};

}  // namespace hone::text
