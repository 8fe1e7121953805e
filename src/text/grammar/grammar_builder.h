// Puts a Grammar together from expressions over bytes. The front ends (regular_expression.h, ebnf.h, json_schema.h) are
// written on it, and grammars can be mixed: a tool call is literals around a schema. Expressions are handles into their
// builder and may be used many times. A builder belongs to one thread and is used up by build(). Nothing fails before
// build(), which tells the first mistake.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/grammar/automaton.h"
#include "text/grammar/code_points.h"
#include "text/grammar/grammar.h"
#include "text/tokenizer/vocabulary.h"

namespace hone::text {

struct Expression {
    uint32_t index = 0;
};

// A rule is called, not copied: it may call itself, and it is what keeps grammars small.
struct GrammarRule {
    uint32_t index = 0;
};

// How characters are written: as they are in UTF-8, or inside a JSON string, where quotation mark, backslash and
// control characters have their shortest escape (and no other spelling).
enum class CharacterForm { kPlain, kJson };

class GrammarBuilder {
  public:
    static constexpr uint32_t kMostRepetitions = 100'000;

    explicit GrammarBuilder(const GrammarLimits& limits = {}) : limits_(limits), budget_(limits) {}
    GrammarBuilder(const GrammarBuilder&) = delete;
    GrammarBuilder& operator=(const GrammarBuilder&) = delete;

    const GrammarLimits& limits() const { return limits_; }

    Expression empty();
    Expression nothing();  // matches no text at all
    Expression literal(std::string_view bytes);
    Expression bytes(unsigned char low, unsigned char high);
    Expression characters(CodePoints set, CharacterForm form = CharacterForm::kPlain);
    // One special (or added) token, which no bytes can stand for.
    Expression token(TokenId id);

    Expression sequence(std::vector<Expression> parts);
    Expression choice(std::vector<Expression> alternatives);
    Expression repeat(Expression what, uint32_t least, std::optional<uint32_t> most);
    Expression optional(Expression what) { return repeat(what, 0, 1); }

    // Of regular languages only: rules inside are copied, and must not call themselves.
    Expression both(Expression a, Expression b);
    Expression without(Expression a, Expression b);
    // Any text in which none of these occurs.
    Expression text_without(std::span<const std::string> needles);
    // Any text in which `needle` does not occur, followed by `needle`: what leads up to a trigger.
    Expression up_to(std::string_view needle);

    // A small automaton whose edges are expressions; states are 0 .. states - 1, 0 is the first.
    struct Edge {
        uint32_t from = 0, to = 0;
        Expression what;
    };
    Expression graph(uint32_t states, std::vector<Edge> edges, std::vector<uint32_t> accepting);

    GrammarRule rule(std::string name);  // names are for messages
    void define(GrammarRule rule, Expression body);
    Expression call(GrammarRule rule);
    Expression as_rule(std::string name, Expression body);  // a new rule, called

    // Which of the texts are in the (regular) language; of no use after a failure.
    std::vector<bool> matches(Expression language, std::span<const std::string> texts);
    // Whether the (regular) language has no text.
    bool is_empty(Expression language);

    // Counts steps of a front end against the limits, as adding expressions does by itself; fails when they are too many.
    bool work(size_t steps);
    // Keeps the first failure of a front end; build() returns it.
    void fail(Error failure);
    bool failed() const { return failure_.has_value(); }
    const Error& failure() const { return *failure_; }
    // Why the language may turn out to have no text: build() tells the first reason if it has none, and only then.
    void explain_empty(Error reason);
    bool explains_empty() const { return empty_reason_.has_value(); }
    void explain_empty_within(std::string_view context) { empty_reason_ = empty_reason_->within(context); }

    // The grammar of all texts that `root` matches. Errors: rules that are not defined or begin with themselves; a
    // language without any text; too large for the limits. What can never end (a rule that always calls itself) is left
    // out.
    Result<Grammar> build(Expression root);

  private:
    friend class Lowering;

    struct Characters {
        CodePoints set;
        CharacterForm form;
    };
    struct Many {
        enum class Kind { kSequence, kChoice, kBoth, kWithout } kind;
        std::vector<Expression> parts;
    };
    struct Repeat {
        Expression what;
        uint32_t least = 0;
        std::optional<uint32_t> most;
    };
    struct Graph {
        uint32_t states = 0;
        std::vector<Edge> edges;
        std::vector<uint32_t> accepting;
    };
    struct Symbols {
        Symbol low = 0, high = 0;
    };
    using Node = std::variant<std::string, Characters, Symbols, Many, Repeat, Graph>;
    struct Rule {
        std::string name;
        std::optional<Expression> body;
        std::optional<Grammar::Repetition> repetition;  // the same as the body, for whoever can count
    };

    Expression add(Node node);

    GrammarLimits limits_;
    WorkBudget budget_;
    std::vector<Node> nodes_;
    std::vector<Rule> rules_;
    std::optional<Error> failure_, empty_reason_;
};

}  // namespace hone::text
