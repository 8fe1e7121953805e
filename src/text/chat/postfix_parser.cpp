// What follows a primary expression: attributes, items and slices, calls with their arguments, filters and tests.
#include "text/chat/filters.h"
#include "text/chat/parser.h"

namespace hone::text::chat {

Expression* Parser::parse_postfix(Expression* node) {
    while (!failure_) {
        if (is(TokenType::dot) || is(TokenType::left_bracket))
            node = parse_subscript(node);
        else if (is(TokenType::left_parenthesis))
            node = parse_call(node);
        else
            break;
    }
    return node;
}

Expression* Parser::parse_filters_and_tests(Expression* node) {
    while (!failure_) {
        if (is(TokenType::pipe))
            node = parse_filter_chain(node);
        else if (is_name("is"))
            node = parse_test(node);
        else if (is(TokenType::left_parenthesis))
            node = parse_call(node);
        else
            break;
    }
    return node;
}

Expression* Parser::parse_subscript(Expression* object) {
    Token opening = advance();
    if (opening.type == TokenType::left_bracket) return parse_bracket(object, opening.line);
    Token name = advance();
    if (failure_) return object;
    if (name.type == TokenType::name) {
        auto* node = make<AttributeSyntax>(ExpressionKind::attribute, opening.line, {object});
        node->object = object;
        node->name = Value::string(name.text);
        node->methods = find_methods(name.text);
        return node;
    }
    if (name.type != TokenType::integer) fail("expected name or number", name.line);
    auto* node = make<ItemSyntax>(ExpressionKind::item, opening.line, {object});
    node->object = object;
    node->key = make_constant(name.number, name.line);
    return node;
}

// object[key], object[a, b] or object[start:stop:step].
Expression* Parser::parse_bracket(Expression* object, uint32_t line) {
    std::vector<Expression*> keys;
    Expression* bounds[3] = {};
    size_t colons = 0;
    while (!failure_ && !is(TokenType::right_bracket)) {
        if (!keys.empty()) expect(TokenType::comma);
        if (!is(TokenType::colon)) keys.push_back(parse_expression());
        if (!is(TokenType::colon)) continue;
        bounds[0] = keys.empty() ? nullptr : keys.back();
        while (colons < 2 && skip_if(TokenType::colon)) {
            ++colons;
            bool is_open = is(TokenType::colon) || is(TokenType::right_bracket) || is(TokenType::comma);
            if (!is_open) bounds[colons] = parse_expression();
        }
        if (keys.size() > 1 || is(TokenType::comma)) fail("slices in a tuple of keys", line, ErrorClass::python_syntax);
        break;
    }
    expect(TokenType::right_bracket);
    if (colons > 0) {
        auto* node = make<SliceSyntax>(ExpressionKind::slice, line, {object, bounds[0], bounds[1], bounds[2]});
        node->object = object;
        node->start = bounds[0];
        node->stop = bounds[1];
        node->step = bounds[2];
        return node;
    }
    Expression* key = keys.size() == 1 ? keys[0] : make_sequence(ExpressionKind::tuple, keys, line);
    auto* node = make<ItemSyntax>(ExpressionKind::item, line, {object, key});
    node->object = object;
    node->key = key;
    return node;
}

Expression* Parser::parse_call(Expression* callee) {
    auto* node = make<CallSyntax>(ExpressionKind::call, current().line, {callee});
    node->callee = callee;
    node->arguments = parse_arguments(node->height);
    return node;
}

// One argument; false if it stands where it may not.
bool Parser::parse_argument(ArgumentsSyntax& arguments, std::vector<Expression*>& positional,
                            std::vector<KeywordSyntax>& keyword, uint32_t line) {
    if (is(TokenType::multiply)) {
        if (arguments.star || arguments.double_star) return false;
        advance();
        arguments.star = parse_expression();
        return true;
    }
    if (arguments.double_star) return false;
    if (skip_if(TokenType::power)) {
        arguments.double_star = parse_expression();
        return true;
    }
    if (is(TokenType::name) && look_ahead().type == TokenType::assign) {
        std::string_view name = advance().text;
        advance();
        for (const KeywordSyntax& earlier : keyword)
            if (earlier.name == name)
                fail(fmt::format("keyword argument repeated: {}", name), line, ErrorClass::python_syntax);
        keyword.push_back({name, parse_expression()});
        return true;
    }
    if (arguments.star || !keyword.empty()) return false;
    positional.push_back(parse_expression());
    return true;
}

ArgumentsSyntax Parser::parse_arguments(uint16_t& height) {
    uint32_t line = expect(TokenType::left_parenthesis).line;
    ArgumentsSyntax arguments;
    std::vector<Expression*> positional;
    std::vector<KeywordSyntax> keyword;
    bool needs_comma = false;
    while (!failure_ && !is(TokenType::right_parenthesis)) {
        if (needs_comma) expect(TokenType::comma);
        if (is(TokenType::right_parenthesis)) break;
        if (!parse_argument(arguments, positional, keyword, line))
            fail("invalid syntax for function call expression", line);
        needs_comma = true;
    }
    expect(TokenType::right_parenthesis);
    for (const Expression* argument : positional) height = grow(height, argument);
    for (const KeywordSyntax& argument : keyword) height = grow(height, argument.value);
    height = grow(grow(height, arguments.star), arguments.double_star);
    arguments.positional = heap_.copy(positional);
    arguments.keyword = heap_.copy(keyword);
    return arguments;
}

std::string_view Parser::parse_dotted_name() {
    std::string_view name = expect(TokenType::name).text;
    if (!is(TokenType::dot)) return name;
    std::string joined(name);
    while (skip_if(TokenType::dot)) (joined += '.') += expect(TokenType::name).text;
    return heap_.copy(joined);
}

FilterSyntax* Parser::parse_filter(Expression* operand) {
    auto* node = make<FilterSyntax>(ExpressionKind::filter, current().line, {operand});
    node->operand = operand;
    node->name = parse_dotted_name();
    node->native = find_filter(node->name);
    if (is(TokenType::left_parenthesis)) node->arguments = parse_arguments(node->height);
    return node;
}

FilterSyntax* Parser::parse_filter_chain(Expression* operand) {
    FilterSyntax* filter =
        operand && operand->kind == ExpressionKind::filter ? static_cast<FilterSyntax*>(operand) : nullptr;
    while (skip_if(TokenType::pipe)) {
        filter = parse_filter(operand);
        operand = filter;
    }
    return filter;
}

Expression* Parser::parse_test(Expression* operand) {
    uint32_t line = advance().line;
    bool is_negated = skip_if_name("not");
    auto* node = make<FilterSyntax>(ExpressionKind::test, line, {operand});
    node->operand = operand;
    node->name = parse_dotted_name();
    node->native = find_test(node->name);
    bool has_argument = is(TokenType::name) || is(TokenType::string) || is(TokenType::integer) || is(TokenType::real) ||
                        is(TokenType::left_bracket) || is(TokenType::left_brace);
    if (is(TokenType::left_parenthesis)) {
        node->arguments = parse_arguments(node->height);
    } else if (has_argument && !is_any_name({"else", "or", "and"})) {
        if (is_name("is")) fail("You cannot chain multiple tests with is", current().line);
        std::vector<Expression*> argument = {parse_postfix(parse_primary())};
        node->height = grow(node->height, argument[0]);
        node->arguments.positional = heap_.copy(argument);
    }
    return is_negated ? make_unary(ExpressionKind::logical_not, node, line) : node;
}

}  // namespace hone::text::chat
