// Expressions, with Jinja's precedence: conditional, or, and, not, comparison, + -, ~, * / // %, ** (left-associative),
// unary, then attributes, items, calls, filters and tests.
#include <algorithm>
#include <limits>

#include "text/chat/filters.h"
#include "text/chat/parser.h"
#include "text/chat/python_text.h"

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
            fail(fmt::format("unexpected {}", quoted(describe(token))), token.line);
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
        fail(fmt::format("Expected an expression, got {}", quoted(describe(current()))), current().line);
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
