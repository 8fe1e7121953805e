#include "text/chat/parser.h"

#include <algorithm>

#include "text/chat/python_text.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

constexpr size_t kDeepestNesting = 150;

}  // namespace

Parser::Nested::Nested(Parser& parser) : parser_(parser) {
    if (++parser_.depth_ > kDeepestNesting)
        parser_.fail(fmt::format("more than {} levels of nesting", kDeepestNesting), parser_.current().line);
}

void Parser::fail(std::string message, uint32_t line, ErrorClass error_class) {
    if (!failure_) failure_ = Failure{error_class, std::move(message), line};
}

Token Parser::advance() {
    Token token = current();
    if (!failure_ && position_ + 1 < tokens_.size()) ++position_;
    if (!failure_ && current().type == TokenType::failure) failure_ = lexer_failure_;
    return token;
}

// The token behind the current one. Looking at the lexer's failure is as bad as reaching it.
const Token& Parser::look_ahead() {
    const Token& next = tokens_[std::min(position_ + 1, tokens_.size() - 1)];
    if (!failure_ && next.type == TokenType::failure) failure_ = lexer_failure_;
    return next;
}

bool Parser::is_any_name(EndTags names) const {
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return is_name(name); });
}

bool Parser::skip_if(TokenType type) {
    bool is_here = is(type);
    if (is_here) advance();
    return is_here;
}

bool Parser::skip_if_name(std::string_view name) {
    bool is_here = is_name(name);
    if (is_here) advance();
    return is_here;
}

void Parser::fail_expected(std::string_view expected) {
    if (at_end())
        return fail(fmt::format("unexpected end of template, expected {}.", python_quoted(expected)), current().line);
    fail(fmt::format("expected token {}, got {}", python_quoted(expected), python_quoted(describe(current()))),
         current().line);
}

Token Parser::expect(TokenType type) {
    if (!is(type)) fail_expected(describe(type));
    return advance();
}

Token Parser::expect_name(std::string_view name) {
    if (!is_name(name)) fail_expected(name);
    return advance();
}

Template Parser::parse() {
    Template result;
    result.body = parse_body({});
    result.variable_names = heap_.copy(names_);
    result.literals = heap_.copy(literals_);
    return result;
}

// Statements up to one of the end tags, whose name is then the current token, or to the end of the template.
Body Parser::parse_body(EndTags end_tags) {
    Nested level(*this);
    std::vector<Statement*> body;
    if (end_tags.size() > 0) expected_ends_.push_back(end_tags);
    while (!at_end()) {
        const Token& token = current();
        if (token.type == TokenType::text) {
            auto* text = make<TextSyntax>(StatementKind::text, token.line);
            text->text = advance().text;
            literals_.push_back(text->text);
            body.push_back(text);
        } else if (token.type == TokenType::variable_begin) {
            auto* print = make<PrintSyntax>(StatementKind::print, token.line);
            advance();
            print->value = parse_tuple({});
            expect(TokenType::variable_end);
            body.push_back(print);
        } else {
            expect(TokenType::block_begin);
            if (is_any_name(end_tags)) break;
            if (Statement* statement = parse_statement()) body.push_back(statement);
            expect(TokenType::block_end);
        }
    }
    if (end_tags.size() > 0) expected_ends_.pop_back();
    return heap_.copy(body);
}

Body Parser::parse_until(EndTags end_tags) {
    skip_if(TokenType::colon);  // for the sake of Python's habits
    expect(TokenType::block_end);
    Body body = parse_body(end_tags);
    if (at_end()) fail_end_of_template(end_tags);
    return body;
}

Body Parser::parse_to(std::string_view end_tag) {
    Body body = parse_until({end_tag});
    advance();
    return body;
}

Statement* Parser::parse_statement() {
    if (!is(TokenType::name)) {
        fail("tag name expected", current().line);
        return nullptr;
    }
    std::string_view tag = current().text;
    open_tags_.push_back(tag);
    uint32_t line = current().line;
    size_t position = position_;
    Statement* statement = parse_tag(tag, line);
    open_tags_.pop_back();
    if (!statement && !failure_ && position == position_) fail_unknown_tag(tag, line);
    return statement;
}

// Null without having moved: there is no such tag.
Statement* Parser::parse_tag(std::string_view tag, uint32_t line) {
    using Parse = Statement* (Parser::*)(uint32_t);
    struct Tag {
        std::string_view name;
        Parse parse;
    };
    static constexpr Tag kTags[] = {
        {"for", &Parser::parse_loop},        {"if", &Parser::parse_branch},
        {"set", &Parser::parse_set},         {"macro", &Parser::parse_macro},
        {"call", &Parser::parse_call_block}, {"filter", &Parser::parse_filter_block},
        {"with", &Parser::parse_with},       {"autoescape", &Parser::parse_autoescape},
        {"block", &Parser::parse_block},     {"generation", &Parser::parse_generation},
        {"print", &Parser::parse_print},
    };
    for (const Tag& known : kTags) {
        if (known.name != tag) continue;
        advance();
        return (this->*known.parse)(line);
    }
    if (tag == "break" || tag == "continue") {
        advance();
        return make<Statement>(tag == "break" ? StatementKind::break_loop : StatementKind::continue_loop, line);
    }
    bool loads_template = tag == "include" || tag == "import" || tag == "from" || tag == "extends";
    if (!loads_template) return nullptr;
    advance();
    return parse_load(tag, line);
}

std::string Parser::expected_tags(std::string_view unknown, bool add_innermost) const {
    std::string message;
    if (!expected_ends_.empty()) {
        std::string looking_for;
        bool is_nesting_mistake = false;
        for (std::string_view tag : expected_ends_.back())
            looking_for += (looking_for.empty() ? "" : " or ") + python_quoted(tag);
        for (const auto& ends : expected_ends_)
            is_nesting_mistake |= !unknown.empty() && std::find(ends.begin(), ends.end(), unknown) != ends.end();
        message += is_nesting_mistake
                       ? " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for "
                       : " Jinja was looking for the following tags: ";
        message += looking_for + ".";
    }
    if (add_innermost && !open_tags_.empty())
        message += fmt::format(" The innermost block that needs to be closed is {}.", python_quoted(open_tags_.back()));
    return message;
}

void Parser::fail_unknown_tag(std::string_view tag, uint32_t line) {
    fail(fmt::format("Encountered unknown tag {}.{}", python_quoted(tag), expected_tags(tag, true)), line);
}

void Parser::fail_end_of_template(EndTags end_tags) {
    expected_ends_.push_back(end_tags);
    fail("Unexpected end of template." + expected_tags({}, true), current().line);
    expected_ends_.pop_back();
}

Statement* Parser::parse_loop(uint32_t line) {
    auto* loop = make<LoopSyntax>(StatementKind::loop, line);
    loop->target = parse_target(false);
    expect_name("in");
    loop->iterable = parse_tuple({.with_conditional = false});
    loop->filter = skip_if_name("if") ? parse_expression() : nullptr;
    loop->is_recursive = skip_if_name("recursive");
    loop->body = parse_until({"endfor", "else"});
    if (advance().text == "else") loop->otherwise = parse_to("endfor");
    return loop;
}

Statement* Parser::parse_branch(uint32_t line) {
    auto* branch = make<BranchSyntax>(StatementKind::branch, line);
    std::vector<BranchArm> arms;
    while (!failure_) {
        Expression* test = parse_tuple({.with_conditional = false});
        arms.push_back({test, parse_until({"elif", "else", "endif"})});
        std::string_view tag = advance().text;
        if (tag == "elif") continue;
        if (tag == "else") branch->otherwise = parse_to("endif");
        break;
    }
    branch->arms = heap_.copy(arms);
    return branch;
}

Statement* Parser::parse_set(uint32_t line) {
    Expression* target = parse_target(true);
    if (skip_if(TokenType::assign)) {
        auto* set = make<SetSyntax>(StatementKind::set, line);
        set->target = target;
        set->value = parse_tuple({});
        return set;
    }
    auto* set = make<SetBlockSyntax>(StatementKind::set_block, line);
    set->target = target;
    set->filter = parse_filter_chain(nullptr);
    set->body = parse_to("endset");
    return set;
}

void Parser::parse_signature(MacroSyntax& macro) {
    std::vector<NameSyntax*> parameters;
    std::vector<Expression*> defaults;
    expect(TokenType::left_parenthesis);
    while (!failure_ && !is(TokenType::right_parenthesis)) {
        if (!parameters.empty()) expect(TokenType::comma);
        NameSyntax* parameter = parse_target_name();
        if (skip_if(TokenType::assign))
            defaults.push_back(parse_expression());
        else if (!defaults.empty())
            fail("non-default argument follows default argument", current().line);
        if (failure_) return;
        for (const NameSyntax* earlier : parameters)
            if (earlier->name == parameter->name)
                fail(fmt::format("duplicate argument {} in function definition", python_quoted(parameter->name)),
                     parameter->line, ErrorClass::python_syntax);
        parameters.push_back(parameter);
    }
    expect(TokenType::right_parenthesis);
    macro.parameters = heap_.copy(parameters);
    macro.defaults = heap_.copy(defaults);
}

Statement* Parser::parse_macro(uint32_t line) {
    auto* statement = make<MacroStatement>(StatementKind::macro, line);
    statement->target = parse_target_name();
    statement->macro = heap_.make<MacroSyntax>();
    statement->macro->name = statement->target->name;
    statement->macro->line = line;
    parse_signature(*statement->macro);
    statement->macro->body = parse_to("endmacro");
    return statement;
}

Statement* Parser::parse_call_block(uint32_t line) {
    auto* block = make<CallBlockSyntax>(StatementKind::call_block, line);
    block->caller = heap_.make<MacroSyntax>();
    block->caller->line = line;
    if (is(TokenType::left_parenthesis)) parse_signature(*block->caller);
    Expression* call = parse_expression();
    if (failure_ || call->kind != ExpressionKind::call) {
        fail("expected call", line);
        return nullptr;
    }
    block->call = static_cast<CallSyntax*>(call);
    block->caller->body = parse_to("endcall");
    return block;
}

Statement* Parser::parse_filter_block(uint32_t line) {
    auto* block = make<FilterBlockSyntax>(StatementKind::filter_block, line);
    block->filter = parse_filter_chain(parse_filter(nullptr));
    block->body = parse_to("endfilter");
    return block;
}

Statement* Parser::parse_with(uint32_t line) {
    auto* with = make<WithSyntax>(StatementKind::with, line);
    std::vector<Expression*> targets, values;
    while (!failure_ && !is(TokenType::block_end)) {
        if (!targets.empty()) expect(TokenType::comma);
        targets.push_back(parse_target(false));
        expect(TokenType::assign);
        values.push_back(parse_expression());
    }
    with->targets = heap_.copy(targets);
    with->values = heap_.copy(values);
    with->body = parse_to("endwith");
    return with;
}

Statement* Parser::parse_autoescape(uint32_t line) {
    auto* scoped = make<ScopedSyntax>(StatementKind::autoescape, line);
    scoped->option = parse_expression();
    scoped->body = parse_to("endautoescape");
    return scoped;
}

Statement* Parser::parse_generation(uint32_t line) {
    auto* scoped = make<ScopedSyntax>(StatementKind::generation, line);
    scoped->body = parse_to("endgeneration");
    return scoped;
}

Statement* Parser::parse_block(uint32_t line) {
    auto* block = make<BlockSyntax>(StatementKind::block, line);
    block->name = expect(TokenType::name).text;
    skip_if_name("scoped");
    block->is_required = skip_if_name("required");
    if (is(TokenType::subtract))
        fail(
            "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore "
            "instead.",
            current().line);
    block->body = parse_to("endblock");
    auto is_blank = [](const Statement* statement) {
        return statement->kind == StatementKind::text && strip(static_cast<const TextSyntax*>(statement)->text).empty();
    };
    if (block->is_required && !std::all_of(block->body.begin(), block->body.end(), is_blank))
        fail("Required blocks can only contain comments or whitespace", current().line);
    skip_if_name(block->name);
    return block;
}

Statement* Parser::parse_print(uint32_t line) {
    // {% print a, b %} prints one after the other.
    std::vector<Expression*> values;
    while (!failure_ && !is(TokenType::block_end)) {
        if (!values.empty()) expect(TokenType::comma);
        values.push_back(parse_expression());
    }
    auto* print = make<PrintSyntax>(StatementKind::print, line);
    print->value = values.size() == 1 ? values[0] : make_sequence(ExpressionKind::concat, values, line);
    return print;
}

void Parser::parse_import_context() {
    bool has_context =
        is_any_name({"with", "without"}) && look_ahead().type == TokenType::name && look_ahead().text == "context";
    if (!has_context) return;
    advance();
    advance();
}

void Parser::parse_import_names() {
    expect_name("import");
    do {
        if (is_any_name({"with", "without"}) && look_ahead().text == "context") break;
        NameSyntax* name = parse_target_name();
        if (!failure_ && name->name.starts_with('_'))
            fail("names starting with an underline can not be imported", name->line, ErrorClass::assertion);
        if (skip_if_name("as")) parse_target_name();
        if (is_any_name({"with", "without"})) break;
    } while (skip_if(TokenType::comma));
    parse_import_context();
}

Statement* Parser::parse_load(std::string_view tag, uint32_t line) {
    auto* load = make<LoadTemplateSyntax>(StatementKind::load_template, line);
    load->name = parse_expression();
    if (tag == "from") parse_import_names();
    if (tag == "import") {
        expect_name("as");
        parse_target_name();
    }
    if (tag == "include" && is_name("ignore") && look_ahead().text == "missing") {
        advance();
        advance();
    }
    if (tag == "include" || tag == "import") parse_import_context();
    return load;
}

}  // namespace hone::text::chat
