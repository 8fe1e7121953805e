// From the expressions of a builder to one automaton. Lives for the call that needs it.
#pragma once

#include <vector>

#include "text/grammar/automaton.h"
#include "text/grammar/grammar_builder.h"

namespace hone::text {

class Lowering {
  public:
    enum class Calls {
        kKept,    // edges of their own
        kCopied,  // the rule's body stands in the place of the call; a rule that calls itself is a failure
    };

    Lowering(GrammarBuilder& builder, Calls calls) : builder_(builder), calls_(calls) {}

    // Of no use once the builder has failed or its budget is spent.
    Automaton automaton_of(Expression expression);

  private:
    // Adds states between two that are there. Only leaves `from` and only enters `to`, so that loops stay apart.
    void lower(Expression expression, uint32_t from, uint32_t to);
    void lower(const std::string& bytes, uint32_t from, uint32_t to);
    void lower(const GrammarBuilder::Characters& characters, uint32_t from, uint32_t to);
    void lower(const GrammarBuilder::Symbols& symbols, uint32_t from, uint32_t to);
    void lower(const GrammarBuilder::Many& many, uint32_t from, uint32_t to);
    void lower(const GrammarBuilder::Repeat& repeat, uint32_t from, uint32_t to);
    void lower(const GrammarBuilder::Graph& graph, uint32_t from, uint32_t to);
    void embed(const Automaton& automaton, uint32_t from, uint32_t to);
    void spell(const CodePoints& set, uint32_t from, uint32_t to);

    uint32_t add_state();
    void add_edge(uint32_t from, Symbol low, Symbol high, uint32_t to) {
        loose_.states[from].edges.push_back({low, high, to});
    }
    void add_jump(uint32_t from, uint32_t to) { loose_.states[from].jumps.push_back(to); }

    GrammarBuilder& builder_;
    Calls calls_;
    LooseAutomaton loose_;
    std::vector<uint32_t> open_rules_;
    size_t depth_ = 0;
};

}  // namespace hone::text
