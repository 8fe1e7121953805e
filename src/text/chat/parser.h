// Recursive descent over the tokens of a template, in the order and with the messages of Jinja's own parser. The first
// failure wins: after it every token reads as the end of the template, so that all loops end. Nodes go into the
// template's heap.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/chat/lexer.h"
#include "text/chat/syntax.h"

namespace hone::text::chat {

class Parser {
  public:
    Parser(const Tokens& tokens, Heap& heap) : tokens_(tokens.tokens), heap_(heap) {
        if (current().type == TokenType::failure) failure_ = tokens.failure;
        lexer_failure_ = tokens.failure;
    }

    // The whole template; names are not resolved yet.
    Template parse();

    const std::optional<Failure>& failure() const { return failure_; }

  private:
    using EndTags = std::initializer_list<std::string_view>;

    // parser.cpp: statements.
    Body parse_body(EndTags end_tags);
    Body parse_until(EndTags end_tags);       // the body of a statement; the end tag is the current token
    Body parse_to(std::string_view end_tag);  // the same, and skips the end tag
    Statement* parse_statement();
    Statement* parse_tag(std::string_view tag, uint32_t line);
    Statement* parse_loop(uint32_t line);
    Statement* parse_branch(uint32_t line);
    Statement* parse_set(uint32_t line);
    Statement* parse_macro(uint32_t line);
    Statement* parse_call_block(uint32_t line);
    Statement* parse_filter_block(uint32_t line);
    Statement* parse_with(uint32_t line);
    Statement* parse_autoescape(uint32_t line);
    Statement* parse_block(uint32_t line);
    Statement* parse_generation(uint32_t line);
    Statement* parse_print(uint32_t line);
    Statement* parse_load(std::string_view tag, uint32_t line);
    void parse_import_names();
    void parse_import_context();
    void parse_signature(MacroSyntax& macro);
    void fail_unknown_tag(std::string_view tag, uint32_t line);
    void fail_end_of_template(EndTags end_tags);
    std::string expected_tags(std::string_view unknown, bool add_innermost) const;

    // expression_parser.cpp: operators by precedence.
    Expression* parse_expression(bool with_conditional = true);
    Expression* parse_conditional();
    Expression* parse_or();
    Expression* parse_and();
    Expression* parse_not();
    Expression* parse_compare();
    Expression* parse_sum();
    Expression* parse_concat();
    Expression* parse_product();
    Expression* parse_power();
    Expression* parse_unary(bool with_filter = true);

    // primary_parser.cpp: what an expression begins with.
    Expression* parse_primary(bool with_namespace = false);
    Expression* parse_name(bool with_namespace);
    Expression* parse_string();
    struct TupleRules {
        bool only_primaries = false;
        bool with_conditional = true;
        bool with_namespace = false;
        bool is_parenthesized = false;
    };
    Expression* parse_tuple(const TupleRules& rules);
    Expression* parse_list();
    Expression* parse_dict();
    Expression* parse_target(bool with_namespace);
    NameSyntax* parse_target_name();
    bool is_assignable(const Expression& target) const;

    // postfix_parser.cpp: what follows a primary expression.
    Expression* parse_postfix(Expression* node);
    Expression* parse_filters_and_tests(Expression* node);
    Expression* parse_subscript(Expression* node);
    Expression* parse_bracket(Expression* object, uint32_t line);
    Expression* parse_call(Expression* callee);
    ArgumentsSyntax parse_arguments(uint16_t& height);
    bool parse_argument(ArgumentsSyntax& arguments, std::vector<Expression*>& positional,
                        std::vector<KeywordSyntax>& keyword, uint32_t line);
    FilterSyntax* parse_filter(Expression* operand);  // the current token is the filter's name
    FilterSyntax* parse_filter_chain(Expression* operand);
    Expression* parse_test(Expression* operand);
    std::string_view parse_dotted_name();

    // Tokens.
    const Token& current() const { return failure_ ? tokens_.back() : tokens_[position_]; }
    const Token& look_ahead();
    Token advance();
    bool is(TokenType type) const { return !failure_ && current().type == type; }
    bool is_name(std::string_view name) const { return is(TokenType::name) && current().text == name; }
    bool is_any_name(EndTags names) const;
    bool at_end() const { return failure_ || current().type == TokenType::end_of_template; }
    bool skip_if(TokenType type);
    bool skip_if_name(std::string_view name);
    Token expect(TokenType type);
    Token expect_name(std::string_view name);
    void fail_expected(std::string_view expected);
    void fail(std::string message, uint32_t line, ErrorClass error_class = ErrorClass::syntax);

    // Nodes (expression_parser.cpp).
    template <class T>
    T* make(ExpressionKind kind, uint32_t line, std::initializer_list<const Expression*> children);
    template <class T>
    T* make(StatementKind kind, uint32_t line) {
        T* node = heap_.make<T>();
        node->kind = kind;
        node->line = line;
        return node;
    }
    Expression* make_constant(const Value& value, uint32_t line);
    Expression* make_unary(ExpressionKind kind, Expression* operand, uint32_t line);
    Expression* make_binary(ExpressionKind kind, BinaryOperator op, Expression* left, Expression* right, uint32_t line);
    Expression* make_sequence(ExpressionKind kind, const std::vector<Expression*>& items, uint32_t line);
    NameSyntax* make_name(std::string_view name, uint32_t line);
    uint16_t grow(uint16_t height, const Expression* child);
    uint32_t name_id(std::string_view name);

    // One more level of nesting; parsing fails when there are too many.
    class Nested {
      public:
        explicit Nested(Parser& parser);
        ~Nested() { --parser_.depth_; }

      private:
        Parser& parser_;
    };

    std::span<const Token> tokens_;
    Heap& heap_;
    std::optional<Failure> failure_;
    Failure lexer_failure_;
    size_t position_ = 0;
    size_t depth_ = 0;
    std::vector<std::string_view> open_tags_;
    std::vector<std::vector<std::string_view>> expected_ends_;
    std::unordered_map<std::string_view, uint32_t> name_ids_;
    std::vector<std::string_view> names_;
    std::vector<std::string_view> literals_;
};

template <class T>
T* Parser::make(ExpressionKind kind, uint32_t line, std::initializer_list<const Expression*> children) {
    T* node = heap_.make<T>();
    node->kind = kind;
    node->line = line;
    for (const Expression* child : children) node->height = grow(node->height, child);
    return node;
}

}  // namespace hone::text::chat
