#include "text/grammar/grammar_builder.h"

#include <algorithm>

#include "base/check.h"
#include "text/grammar/grammar_assembly.h"
#include "text/grammar/lowering.h"

namespace hone::text {

// Longer repetitions are made of blocks, which are rules: a hundred thousand characters take a few thousand states.
constexpr uint32_t kLongestChain = 128;

Expression GrammarBuilder::add(Node node) {
    nodes_.push_back(std::move(node));
    return {static_cast<uint32_t>(nodes_.size() - 1)};
}

Expression GrammarBuilder::empty() {
    return add(std::string());
}

Expression GrammarBuilder::nothing() {
    return add(Many{Many::Kind::kChoice, {}});
}

Expression GrammarBuilder::literal(std::string_view bytes) {
    return add(std::string(bytes));
}

Expression GrammarBuilder::bytes(unsigned char low, unsigned char high) {
    CHECK_LE(low, high);
    return add(Symbols{low, high});
}

Expression GrammarBuilder::characters(CodePoints set, CharacterForm form) {
    return add(Characters{std::move(set), form});
}

Expression GrammarBuilder::token(TokenId id) {
    CHECK(id >= 0 && id < kMaxVocabulary, "token {}", id);
    const Symbol symbol = kFirstToken + static_cast<Symbol>(id);
    return add(Symbols{symbol, symbol});
}

Expression GrammarBuilder::sequence(std::vector<Expression> parts) {
    if (parts.empty()) return empty();
    return parts.size() == 1 ? parts.front() : add(Many{Many::Kind::kSequence, std::move(parts)});
}

Expression GrammarBuilder::choice(std::vector<Expression> alternatives) {
    return alternatives.size() == 1 ? alternatives.front() : add(Many{Many::Kind::kChoice, std::move(alternatives)});
}

Expression GrammarBuilder::repeat(Expression what, uint32_t least, std::optional<uint32_t> most) {
    if (std::max(least, most.value_or(0)) > kMostRepetitions || (most && *most < least)) {
        fail(error("a repetition of {} to {} times: at most {} are possible, in ascending order", least,
                   most ? std::to_string(*most) : "any number of", kMostRepetitions));
        return empty();
    }
    if (std::max(least, most.value_or(0)) <= kLongestChain) return add(Repeat{what, least, most});
    const Expression first = exactly(what, least);
    return sequence({first, most ? at_most(what, *most - least) : add(Repeat{what, 0, std::nullopt})});
}

static uint32_t block_size(uint32_t times) {
    uint32_t size = kLongestChain / 2;
    while (size * size < times) size *= 2;
    return size;
}

Expression GrammarBuilder::exactly(Expression what, uint32_t times) {
    if (times <= kLongestChain) return add(Repeat{what, times, times});
    const uint32_t size = block_size(times), blocks = times / size;
    const Expression block = as_rule("repetition", add(Repeat{what, size, size}));
    return sequence({add(Repeat{block, blocks, blocks}), add(Repeat{what, times % size, times % size})});
}

Expression GrammarBuilder::at_most(Expression what, uint32_t times) {
    if (times <= kLongestChain) return add(Repeat{what, 0, times});
    const uint32_t size = block_size(times), blocks = times / size;
    const Expression block = as_rule("repetition", add(Repeat{what, size, size}));
    return choice({sequence({add(Repeat{block, 0, blocks - 1}), add(Repeat{what, 0, size - 1})}),
                   sequence({add(Repeat{block, blocks, blocks}), add(Repeat{what, 0, times % size})})});
}

Expression GrammarBuilder::both(Expression a, Expression b) {
    return add(Many{Many::Kind::kBoth, {a, b}});
}

Expression GrammarBuilder::without(Expression a, Expression b) {
    return add(Many{Many::Kind::kWithout, {a, b}});
}

Expression GrammarBuilder::up_to(std::string_view needle) {
    CHECK(!needle.empty());
    const Expression any = repeat(characters(CodePoints::all()), 0, std::nullopt);
    // The first occurrence ends the text: what has one before its last byte is not wanted.
    const Expression found = sequence({any, literal(needle)});
    const Expression found_before = sequence({found, characters(CodePoints::all()), any});
    return without(found, found_before);
}

Expression GrammarBuilder::graph(uint32_t states, std::vector<Edge> edges, std::vector<uint32_t> accepting) {
    for (const Edge& edge : edges) CHECK(edge.from < states && edge.to < states);
    return add(Graph{states, std::move(edges), std::move(accepting)});
}

GrammarRule GrammarBuilder::rule(std::string name) {
    rules_.push_back({std::move(name), std::nullopt});
    return {static_cast<uint32_t>(rules_.size() - 1)};
}

void GrammarBuilder::define(GrammarRule rule, Expression body) {
    CHECK(!rules_[rule.index].body, "rule {} is defined twice", rules_[rule.index].name);
    rules_[rule.index].body = body;
}

Expression GrammarBuilder::call(GrammarRule rule) {
    return add(Symbols{kFirstCall + rule.index, kFirstCall + rule.index});
}

Expression GrammarBuilder::as_rule(std::string name, Expression body) {
    const GrammarRule made = rule(std::move(name));
    define(made, body);
    return call(made);
}

bool GrammarBuilder::matches(Expression language, std::string_view text) {
    return Lowering(*this, Lowering::Calls::kCopied).automaton_of(language).matches(text);
}

bool GrammarBuilder::is_empty(Expression language) {
    return Lowering(*this, Lowering::Calls::kCopied).automaton_of(language).is_empty();
}

void GrammarBuilder::fail(Error failure) {
    if (!failure_) failure_ = std::move(failure);
}

Result<Grammar> GrammarBuilder::build(Expression root) {
    GrammarAssembly assembly(limits_.depth);
    const GrammarRule first = rule("root");
    define(first, root);
    std::vector<uint32_t> place(rules_.size(), UINT32_MAX), order = {first.index};
    place[first.index] = 0;
    for (size_t at = 0; at < order.size() && !failed() && !budget_.spent(); at++) {
        const auto& [name, body] = rules_[order[at]];
        if (!body) fail(error("rule {} is not defined", name));
        if (failed()) break;
        Automaton automaton = Lowering(*this, Lowering::Calls::kKept).automaton_of(*body);
        for (auto& state : automaton.states) {
            for (Transition& edge : state.edges) {
                if (edge.low < kFirstCall) continue;
                uint32_t& callee = place[edge.low - kFirstCall];
                if (callee == UINT32_MAX) {
                    callee = static_cast<uint32_t>(order.size());
                    order.push_back(edge.low - kFirstCall);
                }
                edge.low = edge.high = kFirstCall + callee;
            }
            std::ranges::sort(state.edges, {}, &Transition::low);
        }
        assembly.add(name, automaton);
    }
    if (failed()) return *failure_;
    if (budget_.spent()) {
        return error("the grammar is too large (more than {} states, or too much work): ask for less", limits_.states);
    }
    return assembly.finish();
}

}  // namespace hone::text
