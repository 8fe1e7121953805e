// Cuts a template's source into Jinja's tokens, as the reference environment does: trim_blocks and lstrip_blocks on,
// `-` and `+` at the tag ends, comments dropped, raw blocks turned into text. Token texts point into the source or the
// heap.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "text/chat/heap.h"
#include "text/chat/template_error.h"
#include "text/chat/value.h"

namespace hone::text::chat {

enum class TokenType : uint8_t {
    text,
    variable_begin,
    variable_end,
    block_begin,
    block_end,
    name,
    string,
    integer,
    real,
    // Operators, in the order of kOperators.
    add,
    assign,
    colon,
    comma,
    divide,
    dot,
    equal,
    floor_divide,
    greater,
    greater_equal,
    left_brace,
    left_bracket,
    left_parenthesis,
    less,
    less_equal,
    modulo,
    multiply,
    not_equal,
    pipe,
    power,
    right_brace,
    right_bracket,
    right_parenthesis,
    semicolon,
    subtract,
    tilde,
    end_of_template,
    failure,  // the lexer could not go on; the parser fails with its Failure when it gets here
};

struct Token {
    TokenType type = TokenType::end_of_template;
    uint32_t line = 1;
    std::string_view text = {};  // of text, name and string (unescaped)
    Value number = Value();
};

struct Tokens {
    std::span<const Token> tokens;  // the last one is end_of_template or failure
    Failure failure = {};
};

// `source` with \r\n and \r turned into \n and without one final newline; it must outlive the tokens.
std::string normalize_source(std::string_view source);
Tokens tokenize(std::string_view normalized_source, Heap& heap);

// "begin of statement block", "==": as Jinja's messages call a type, a token.
std::string_view describe(TokenType type);
std::string_view describe(const Token& token);

}  // namespace hone::text::chat
