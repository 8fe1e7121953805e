// The syntax tree of a template: small nodes in the template's heap, spans for children, names already resolved to
// variable slots (name_resolution.h), filters and tests to functions. Immutable once parsed; any thread may walk it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "text/chat/method_table.h"
#include "text/chat/operators.h"
#include "text/chat/value.h"

namespace hone::text::chat {

// Where a variable lives: `hops` functions outwards (a template, macro, call block or recursive loop is a function),
// then a slot.
struct Variable {
    uint16_t hops = 0;
    uint16_t slot = 0;
};

// What a scope puts into a slot when it is entered.
struct SlotLoad {
    enum class Action : uint8_t { clear, resolve, alias } action;
    uint16_t slot;
    uint32_t name_id = 0;  // resolve: of the variable in the context
    Variable source = {};  // alias: of the outer variable
};
using Scope = std::span<const SlotLoad>;

enum class ExpressionKind : uint8_t {
    constant,
    name,
    namespace_attribute,  // as the target of an assignment
    tuple,
    list,
    dict,
    negate,
    plus,
    logical_not,
    logical_and,
    logical_or,
    binary,
    concat,
    compare,
    conditional,
    attribute,
    item,
    slice,
    call,
    filter,
    test,
};

struct Expression {
    ExpressionKind kind;
    uint16_t height = 1;  // of the tree below; limited, so that walking it cannot overflow the stack
    uint32_t line = 0;
};
using Expressions = std::span<Expression* const>;

struct ConstantSyntax : Expression {
    Value value;
};

struct NameSyntax : Expression {
    std::string_view name;
    uint32_t name_id = 0;
    Variable variable = {};
    Undefined absent = {};
};

struct NamespaceAttributeSyntax : Expression {
    NameSyntax* name_space;
    std::string_view attribute;
};

struct SequenceSyntax : Expression {  // tuple, list, concat
    Expressions items;
};

struct DictItemSyntax {
    Expression* key;
    Expression* value;
};
struct DictSyntax : Expression {
    std::span<const DictItemSyntax> items;
};

struct UnarySyntax : Expression {
    Expression* operand;
};

struct BinarySyntax : Expression {  // binary, logical_and, logical_or
    Expression* left;
    Expression* right;
    BinaryOperator op = BinaryOperator::add;
};

struct ComparisonLink {
    Comparison op;
    Expression* right;
};
struct CompareSyntax : Expression {
    Expression* left;
    std::span<const ComparisonLink> links;
};

struct ConditionalSyntax : Expression {
    Expression* test;
    Expression* value;
    Expression* otherwise;  // may be null
};

struct AttributeSyntax : Expression {
    Expression* object;
    Value name;
    const MethodsOfName* methods;  // null: no type has a method of this name
};

struct ItemSyntax : Expression {
    Expression* object;
    Expression* key;
};

struct SliceSyntax : Expression {
    Expression* object;
    Expression* start;  // these may be null
    Expression* stop;
    Expression* step;
};

struct KeywordSyntax {
    std::string_view name;
    Expression* value;
};
struct ArgumentsSyntax {
    Expressions positional = {};
    std::span<const KeywordSyntax> keyword = {};
    Expression* star = nullptr;         // *args
    Expression* double_star = nullptr;  // **kwargs
};

struct CallSyntax : Expression {
    Expression* callee;
    ArgumentsSyntax arguments;
};

struct FilterSyntax : Expression {  // filter and test
    Expression* operand;            // null: the text of the block that the filter ends
    std::string_view name;
    const Native* native;  // null: unknown, an error when it is reached
    ArgumentsSyntax arguments;
};

enum class StatementKind : uint8_t {
    text,
    print,
    branch,
    loop,
    set,
    set_block,
    macro,
    call_block,
    filter_block,
    with,
    autoescape,
    block,
    generation,
    break_loop,
    continue_loop,
    load_template,
};

struct Statement {
    StatementKind kind;
    uint32_t line = 0;
};
using Body = std::span<Statement* const>;

struct TextSyntax : Statement {
    std::string_view text;
};

struct PrintSyntax : Statement {
    Expression* value;
};

struct BranchArm {
    Expression* test;
    Body body;
};
struct BranchSyntax : Statement {  // if, elif, else
    std::span<const BranchArm> arms;
    Body otherwise;
};

struct LoopSyntax : Statement {
    Expression* target;
    Expression* iterable;
    Expression* filter;         // `for ... if filter`, may be null
    Expression* filter_target;  // a copy of the target in the scope of the filter
    Body body, otherwise;
    bool is_recursive;
    Scope scope = {}, filter_scope = {}, otherwise_scope = {};
    uint16_t loop_slot = 0;  // of the variable `loop`
    bool uses_loop = false;
    uint16_t slots = 0;  // of the function that a recursive loop is
};

struct SetSyntax : Statement {
    Expression* target;
    Expression* value;
    bool is_top_level = false;  // visible to blocks
};

struct SetBlockSyntax : Statement {
    Expression* target;
    FilterSyntax* filter;  // outermost of the chain, may be null
    Body body;
    Scope scope = {};
    bool is_top_level = false;
};

// A macro, a call block's body.
struct MacroSyntax {
    std::string_view name;  // empty: a call block
    std::span<NameSyntax* const> parameters;
    Expressions defaults;  // of the last parameters
    Body body;
    uint32_t line = 0;
    Scope scope = {};
    uint16_t slots = 0;
    // Slots of the special variables, where the body uses them.
    int caller_slot = -1, keywords_slot = -1, varargs_slot = -1;
};

struct MacroStatement : Statement {
    NameSyntax* target;
    MacroSyntax* macro;
    bool is_top_level = false;
};

struct CallBlockSyntax : Statement {
    CallSyntax* call;
    MacroSyntax* caller;
};

struct FilterBlockSyntax : Statement {
    FilterSyntax* filter;  // outermost of the chain
    Body body;
    Scope scope = {};
};

struct WithSyntax : Statement {
    Expressions targets, values;
    Body body;
    Scope scope = {};
};

struct ScopedSyntax : Statement {  // generation; autoescape
    Expression* option;            // of autoescape
    Body body;
    Scope scope = {};
};

struct BlockSyntax : Statement {
    std::string_view name;
    Body body;
    bool is_required;
    Scope scope = {};
    uint16_t slots = 0;
    int self_slot = -1;
};

struct LoadTemplateSyntax : Statement {  // include, import, from, extends: there is nothing to load from
    Expression* name;
};

// Calls visit(Expression*) for every direct child that is there, in the order of evaluation.
template <class Visit>
void for_each_argument(const ArgumentsSyntax& arguments, Visit&& visit) {
    for (Expression* argument : arguments.positional) visit(argument);
    for (const KeywordSyntax& argument : arguments.keyword) visit(argument.value);
    if (arguments.star) visit(arguments.star);
    if (arguments.double_star) visit(arguments.double_star);
}

template <class Visit>
void for_each_child(Expression& node, Visit&& visit) {
    switch (node.kind) {
        case ExpressionKind::constant:
        case ExpressionKind::name:
            return;
        case ExpressionKind::namespace_attribute:
            return visit(static_cast<NamespaceAttributeSyntax&>(node).name_space);
        case ExpressionKind::tuple:
        case ExpressionKind::list:
        case ExpressionKind::concat:
            for (Expression* item : static_cast<SequenceSyntax&>(node).items) visit(item);
            return;
        case ExpressionKind::dict:
            for (const DictItemSyntax& item : static_cast<DictSyntax&>(node).items) visit(item.key), visit(item.value);
            return;
        case ExpressionKind::negate:
        case ExpressionKind::plus:
        case ExpressionKind::logical_not:
            return visit(static_cast<UnarySyntax&>(node).operand);
        case ExpressionKind::logical_and:
        case ExpressionKind::logical_or:
        case ExpressionKind::binary: {
            auto& binary = static_cast<BinarySyntax&>(node);
            return visit(binary.left), visit(binary.right);
        }
        case ExpressionKind::compare: {
            auto& compare = static_cast<CompareSyntax&>(node);
            visit(compare.left);
            for (const ComparisonLink& link : compare.links) visit(link.right);
            return;
        }
        case ExpressionKind::conditional: {
            auto& conditional = static_cast<ConditionalSyntax&>(node);
            visit(conditional.test), visit(conditional.value);
            if (conditional.otherwise) visit(conditional.otherwise);
            return;
        }
        case ExpressionKind::attribute:
            return visit(static_cast<AttributeSyntax&>(node).object);
        case ExpressionKind::item: {
            auto& item = static_cast<ItemSyntax&>(node);
            return visit(item.object), visit(item.key);
        }
        case ExpressionKind::slice: {
            auto& slice = static_cast<SliceSyntax&>(node);
            visit(slice.object);
            for (Expression* bound : {slice.start, slice.stop, slice.step})
                if (bound) visit(bound);
            return;
        }
        case ExpressionKind::call:
            visit(static_cast<CallSyntax&>(node).callee);
            return for_each_argument(static_cast<CallSyntax&>(node).arguments, visit);
        case ExpressionKind::filter:
        case ExpressionKind::test: {
            auto& filter = static_cast<FilterSyntax&>(node);
            if (filter.operand) visit(filter.operand);
            return for_each_argument(filter.arguments, visit);
        }
    }
}

struct Template {
    std::string_view name;
    Body body;
    Scope scope = {};
    uint16_t slots = 0;
    int self_slot = -1;
    std::span<BlockSyntax* const> blocks;
    std::span<const std::string_view> variable_names;  // by name_id
    std::span<const std::string_view> literals;        // template text and string constants
};

}  // namespace hone::text::chat
