// What an expression begins with: names, constants, tuples, lists and dicts; and the targets of assignments, which are
// made of names and tuples.
#include <algorithm>

#include "text/chat/parser.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

Expression* Parser::parse_name(bool with_namespace) {
    Token token = advance();
    if (token.text == "true" || token.text == "True") return make_constant(Value::boolean(true), token.line);
    if (token.text == "false" || token.text == "False") return make_constant(Value::boolean(false), token.line);
    if (token.text == "none" || token.text == "None") return make_constant(Value::none(), token.line);
    NameSyntax* name = make_name(token.text, token.line);
    if (!with_namespace || !skip_if(TokenType::dot)) return name;
    auto* node = make<NamespaceAttributeSyntax>(ExpressionKind::namespace_attribute, token.line, {name});
    node->name_space = name;
    node->attribute = expect(TokenType::name).text;
    return node;
}

Expression* Parser::parse_string() {
    uint32_t line = current().line;
    std::string_view text = advance().text;
    if (!is(TokenType::string)) return make_constant(Value::string(text), line);
    std::string joined(text);
    while (is(TokenType::string)) joined += advance().text;
    return make_constant(Value::string(heap_.copy(joined)), line);
}

Expression* Parser::parse_primary(bool with_namespace) {
    const Token token = current();
    switch (failure_ ? TokenType::end_of_template : token.type) {
        case TokenType::name:
            return parse_name(with_namespace);
        case TokenType::string:
            return parse_string();
        case TokenType::integer:
        case TokenType::real:
            return make_constant(advance().number, token.line);
        case TokenType::left_parenthesis: {
            advance();
            Expression* node = parse_tuple({.is_parenthesized = true});
            expect(TokenType::right_parenthesis);
            return node;
        }
        case TokenType::left_bracket:
            return parse_list();
        case TokenType::left_brace:
            return parse_dict();
        default:
            fail(fmt::format("unexpected {}", python_quoted(describe(token))), token.line);
            return make_constant(Value::none(), token.line);
    }
}

Expression* Parser::parse_tuple(const TupleRules& rules) {
    uint32_t line = current().line;
    std::vector<Expression*> items;
    bool is_tuple = false;
    while (!failure_) {
        if (!items.empty()) expect(TokenType::comma);
        bool is_end = is(TokenType::variable_end) || is(TokenType::block_end) || is(TokenType::right_parenthesis);
        if (is_end) break;
        items.push_back(rules.only_primaries ? parse_primary(rules.with_namespace)
                                             : parse_expression(rules.with_conditional));
        if (!is(TokenType::comma)) break;
        is_tuple = true;
        line = current().line;
    }
    if (!is_tuple && !items.empty()) return items[0];
    if (!is_tuple && !rules.is_parenthesized)
        fail(fmt::format("Expected an expression, got {}", python_quoted(describe(current()))), current().line);
    return make_sequence(ExpressionKind::tuple, items, line);
}

Expression* Parser::parse_list() {
    uint32_t line = expect(TokenType::left_bracket).line;
    std::vector<Expression*> items;
    while (!failure_ && !is(TokenType::right_bracket)) {
        if (!items.empty()) expect(TokenType::comma);
        if (is(TokenType::right_bracket)) break;
        items.push_back(parse_expression());
    }
    expect(TokenType::right_bracket);
    return make_sequence(ExpressionKind::list, items, line);
}

Expression* Parser::parse_dict() {
    uint32_t line = expect(TokenType::left_brace).line;
    std::vector<DictItemSyntax> items;
    auto* node = make<DictSyntax>(ExpressionKind::dict, line, {});
    while (!failure_ && !is(TokenType::right_brace)) {
        if (!items.empty()) expect(TokenType::comma);
        if (is(TokenType::right_brace)) break;
        Expression* key = parse_expression();
        expect(TokenType::colon);
        Expression* value = parse_expression();
        node->height = grow(grow(node->height, key), value);
        items.push_back({key, value});
    }
    expect(TokenType::right_brace);
    node->items = heap_.copy(items);
    return node;
}

NameSyntax* Parser::parse_target_name() {
    Token token = expect(TokenType::name);
    constexpr std::string_view kConstants[] = {"true", "false", "none", "True", "False", "None"};
    if (std::find(std::begin(kConstants), std::end(kConstants), token.text) != std::end(kConstants))
        fail("can't assign to 'name'", token.line);
    return make_name(token.text, token.line);
}

bool Parser::is_assignable(const Expression& target) const {
    if (target.kind == ExpressionKind::tuple) {
        Expressions items = static_cast<const SequenceSyntax&>(target).items;
        return std::all_of(items.begin(), items.end(), [&](const Expression* item) { return is_assignable(*item); });
    }
    return target.kind == ExpressionKind::name || target.kind == ExpressionKind::namespace_attribute;
}

Expression* Parser::parse_target(bool with_namespace) {
    Expression* target = parse_tuple({.only_primaries = true, .with_namespace = with_namespace});
    if (failure_ || is_assignable(*target)) return target;
    std::string_view kind = "expression";
    if (target->kind == ExpressionKind::constant) kind = "const";
    if (target->kind == ExpressionKind::tuple) kind = "tuple";
    if (target->kind == ExpressionKind::list) kind = "list";
    if (target->kind == ExpressionKind::dict) kind = "dict";
    fail(fmt::format("can't assign to '{}'", kind), target->line);
    return target;
}

}  // namespace hone::text::chat
