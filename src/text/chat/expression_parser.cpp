// Expressions, with Jinja's precedence: conditional, or, and, not, comparison, + -, ~, * / // %, ** (left-associative),
// unary; then what primary_parser.cpp and postfix_parser.cpp read. And the nodes they are made of.
#include <algorithm>

#include "text/chat/parser.h"

namespace hone::text::chat {

namespace {

// Trees of this height can be walked by recursion.
constexpr uint16_t kGreatestHeight = 400;

}  // namespace

uint16_t Parser::grow(uint16_t height, const Expression* child) {
    if (!child) return height;
    height = std::max<uint16_t>(height, child->height + 1);
    if (height > kGreatestHeight)
        fail(fmt::format("an expression of more than {} levels", kGreatestHeight), child->line);
    return std::min(height, kGreatestHeight);
}

uint32_t Parser::name_id(std::string_view name) {
    auto [entry, is_new] = name_ids_.try_emplace(name, static_cast<uint32_t>(names_.size()));
    if (is_new) names_.push_back(name);
    return entry->second;
}

Expression* Parser::make_constant(const Value& value, uint32_t line) {
    auto* constant = make<ConstantSyntax>(ExpressionKind::constant, line, {});
    constant->value = value;
    if (value.is(Kind::string)) literals_.push_back(value.text());
    return constant;
}

NameSyntax* Parser::make_name(std::string_view name, uint32_t line) {
    auto* node = make<NameSyntax>(ExpressionKind::name, line, {});
    node->name = name;
    node->name_id = name_id(name);
    node->absent.name = Value::string(name);
    return node;
}

Expression* Parser::make_unary(ExpressionKind kind, Expression* operand, uint32_t line) {
    auto* node = make<UnarySyntax>(kind, line, {operand});
    node->operand = operand;
    return node;
}

Expression* Parser::make_binary(ExpressionKind kind, BinaryOperator op, Expression* left, Expression* right,
                                uint32_t line) {
    auto* node = make<BinarySyntax>(kind, line, {left, right});
    node->left = left;
    node->right = right;
    node->op = op;
    return node;
}

Expression* Parser::make_sequence(ExpressionKind kind, const std::vector<Expression*>& items, uint32_t line) {
    auto* node = make<SequenceSyntax>(kind, line, {});
    for (const Expression* item : items) node->height = grow(node->height, item);
    node->items = heap_.copy(items);
    return node;
}

Expression* Parser::parse_expression(bool with_conditional) {
    return with_conditional ? parse_conditional() : parse_or();
}

Expression* Parser::parse_conditional() {
    Nested level(*this);
    uint32_t line = current().line;
    Expression* value = parse_or();
    while (skip_if_name("if")) {
        Expression* test = parse_or();
        Expression* otherwise = skip_if_name("else") ? parse_conditional() : nullptr;
        auto* node = make<ConditionalSyntax>(ExpressionKind::conditional, line, {test, value, otherwise});
        node->test = test;
        node->value = value;
        node->otherwise = otherwise;
        value = node;
        line = current().line;
    }
    return value;
}

Expression* Parser::parse_or() {
    uint32_t line = current().line;
    Expression* left = parse_and();
    while (skip_if_name("or")) {
        Expression* right = parse_and();
        left = make_binary(ExpressionKind::logical_or, BinaryOperator::add, left, right, line);
        line = current().line;
    }
    return left;
}

Expression* Parser::parse_and() {
    uint32_t line = current().line;
    Expression* left = parse_not();
    while (skip_if_name("and")) {
        Expression* right = parse_not();
        left = make_binary(ExpressionKind::logical_and, BinaryOperator::add, left, right, line);
        line = current().line;
    }
    return left;
}

Expression* Parser::parse_not() {
    if (!is_name("not")) return parse_compare();
    Nested level(*this);
    uint32_t line = advance().line;
    return make_unary(ExpressionKind::logical_not, parse_not(), line);
}

Expression* Parser::parse_compare() {
    uint32_t line = current().line;
    Expression* left = parse_sum();
    std::vector<ComparisonLink> links;
    while (!failure_) {
        Comparison op;
        if (is(TokenType::equal))
            op = Comparison::equal;
        else if (is(TokenType::not_equal))
            op = Comparison::not_equal;
        else if (is(TokenType::less))
            op = Comparison::less;
        else if (is(TokenType::less_equal))
            op = Comparison::less_equal;
        else if (is(TokenType::greater))
            op = Comparison::greater;
        else if (is(TokenType::greater_equal))
            op = Comparison::greater_equal;
        else if (is_name("in"))
            op = Comparison::in;
        else if (is_name("not") && look_ahead().type == TokenType::name && look_ahead().text == "in")
            op = Comparison::not_in;
        else
            break;
        if (op == Comparison::not_in) advance();
        advance();
        links.push_back({op, parse_sum()});
        line = current().line;
    }
    if (links.empty()) return left;
    auto* node = make<CompareSyntax>(ExpressionKind::compare, line, {left});
    for (const ComparisonLink& link : links) node->height = grow(node->height, link.right);
    node->left = left;
    node->links = heap_.copy(links);
    return node;
}

Expression* Parser::parse_sum() {
    uint32_t line = current().line;
    Expression* left = parse_concat();
    while (is(TokenType::add) || is(TokenType::subtract)) {
        BinaryOperator op = advance().type == TokenType::add ? BinaryOperator::add : BinaryOperator::subtract;
        Expression* right = parse_concat();
        left = make_binary(ExpressionKind::binary, op, left, right, line);
        line = current().line;
    }
    return left;
}

Expression* Parser::parse_concat() {
    uint32_t line = current().line;
    std::vector<Expression*> items = {parse_product()};
    while (skip_if(TokenType::tilde)) items.push_back(parse_product());
    return items.size() == 1 ? items[0] : make_sequence(ExpressionKind::concat, items, line);
}

Expression* Parser::parse_product() {
    uint32_t line = current().line;
    Expression* left = parse_power();
    while (!failure_) {
        BinaryOperator op;
        if (is(TokenType::multiply))
            op = BinaryOperator::multiply;
        else if (is(TokenType::divide))
            op = BinaryOperator::divide;
        else if (is(TokenType::floor_divide))
            op = BinaryOperator::floor_divide;
        else if (is(TokenType::modulo))
            op = BinaryOperator::modulo;
        else
            break;
        advance();
        Expression* right = parse_power();
        left = make_binary(ExpressionKind::binary, op, left, right, line);
        line = current().line;
    }
    return left;
}

Expression* Parser::parse_power() {
    uint32_t line = current().line;
    Expression* left = parse_unary();
    while (skip_if(TokenType::power)) {
        Expression* right = parse_unary();
        left = make_binary(ExpressionKind::binary, BinaryOperator::power, left, right, line);
        line = current().line;
    }
    return left;
}

Expression* Parser::parse_unary(bool with_filter) {
    Nested level(*this);
    uint32_t line = current().line;
    Expression* node;
    if (skip_if(TokenType::subtract))
        node = make_unary(ExpressionKind::negate, parse_unary(false), line);
    else if (skip_if(TokenType::add))
        node = make_unary(ExpressionKind::plus, parse_unary(false), line);
    else
        node = parse_primary();
    node = parse_postfix(node);
    return with_filter ? parse_filters_and_tests(node) : node;
}

}  // namespace hone::text::chat
