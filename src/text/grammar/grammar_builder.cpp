#include "text/grammar/grammar_builder.h"

#include <algorithm>

#include "base/check.h"
#include "text/grammar/grammar_assembly.h"
#include "text/grammar/lowering.h"

namespace hone::text {

// Longer repetitions are counted by whoever follows the grammar.
constexpr uint32_t kLongestChain = 16;
constexpr size_t kNodeWork = 20;

Expression GrammarBuilder::add(Node node) {
    work(kNodeWork);
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
    work(bytes.size());
    return add(std::string(bytes));
}

Expression GrammarBuilder::bytes(unsigned char low, unsigned char high) {
    CHECK_LE(low, high);
    return add(Symbols{low, high});
}

Expression GrammarBuilder::characters(CodePoints set, CharacterForm form) {
    work(set.ranges().size());
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
    const Expression body = add(Repeat{what, least, most});
    if (std::max(least, most.value_or(0)) <= kLongestChain) return body;
    const GrammarRule unit = rule("what is repeated"), counted = rule("repetition");
    define(unit, what);
    define(counted, body);
    rules_[counted.index].repetition = {unit.index, least, most.value_or(Grammar::kUnbounded)};
    return call(counted);
}

Expression GrammarBuilder::both(Expression a, Expression b) {
    return add(Many{Many::Kind::kBoth, {a, b}});
}

Expression GrammarBuilder::without(Expression a, Expression b) {
    return add(Many{Many::Kind::kWithout, {a, b}});
}

Expression GrammarBuilder::text_without(std::span<const std::string> needles) {
    const Expression any = repeat(characters(CodePoints::all()), 0, std::nullopt);
    std::vector<Expression> found;
    for (const std::string& needle : needles) found.push_back(literal(needle));
    return found.empty() ? any : without(any, sequence({any, choice(std::move(found)), any}));
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

std::vector<bool> GrammarBuilder::matches(Expression language, std::span<const std::string> texts) {
    const Automaton automaton = Lowering(*this, Lowering::Calls::kCopied).automaton_of(language);
    std::vector<bool> matching;
    for (const std::string& text : texts) matching.push_back(work(text.size()) && automaton.matches(text));
    return matching;
}

bool GrammarBuilder::is_empty(Expression language) {
    return Lowering(*this, Lowering::Calls::kCopied).automaton_of(language).is_empty();
}

bool GrammarBuilder::work(size_t steps) {
    if (budget_.work(steps)) return true;
    fail(error("the grammar is too large (more than {} states, or too much work): ask for less", limits_.states));
    return false;
}

void GrammarBuilder::fail(Error failure) {
    if (!failure_) failure_ = std::move(failure);
}

void GrammarBuilder::explain_empty(Error reason) {
    if (!empty_reason_) empty_reason_ = std::move(reason);
}

Result<Grammar> GrammarBuilder::build(Expression root) {
    GrammarAssembly assembly(limits_.depth);
    const GrammarRule first = rule("root");
    define(first, root);
    std::vector<uint32_t> place(rules_.size(), UINT32_MAX), order = {first.index};
    place[first.index] = 0;
    const auto place_of = [&](uint32_t callee) {
        if (place[callee] == UINT32_MAX) {
            place[callee] = static_cast<uint32_t>(order.size());
            order.push_back(callee);
        }
        return place[callee];
    };
    for (size_t at = 0; at < order.size() && !failed() && !budget_.spent(); at++) {
        const auto& [name, body, repetition] = rules_[order[at]];
        if (!body) fail(error("rule {} is not defined", name));
        if (failed()) break;
        if (repetition) {
            assembly.add_repetition(name, {place_of(repetition->unit), repetition->least, repetition->most});
            continue;
        }
        Automaton automaton = Lowering(*this, Lowering::Calls::kKept).automaton_of(*body);
        for (auto& state : automaton.states) {
            for (Transition& edge : state.edges) {
                if (edge.low >= kFirstCall) edge.low = edge.high = kFirstCall + place_of(edge.low - kFirstCall);
            }
            std::ranges::sort(state.edges, {}, &Transition::low);
        }
        assembly.add(name, automaton);
    }
    work(0);
    if (failed()) return *failure_;
    explain_empty(error("the grammar has no text: every way through it calls itself for ever or is empty"));
    return assembly.finish(*empty_reason_);
}

}  // namespace hone::text
