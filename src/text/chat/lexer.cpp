#include "text/chat/lexer.h"

#include <array>
#include <optional>

#include "text/chat/python_text.h"
#include "text/chat/string_literal.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

struct Operator {
    std::string_view text;
    TokenType type;
};
// Two-character operators first, so that the first match is the longest.
constexpr Operator kOperators[] = {
    {"//", TokenType::floor_divide},
    {"**", TokenType::power},
    {"==", TokenType::equal},
    {"!=", TokenType::not_equal},
    {">=", TokenType::greater_equal},
    {"<=", TokenType::less_equal},
    {"+", TokenType::add},
    {"-", TokenType::subtract},
    {"/", TokenType::divide},
    {"*", TokenType::multiply},
    {"%", TokenType::modulo},
    {"~", TokenType::tilde},
    {"[", TokenType::left_bracket},
    {"]", TokenType::right_bracket},
    {"(", TokenType::left_parenthesis},
    {")", TokenType::right_parenthesis},
    {"{", TokenType::left_brace},
    {"}", TokenType::right_brace},
    {">", TokenType::greater},
    {"<", TokenType::less},
    {"=", TokenType::assign},
    {".", TokenType::dot},
    {":", TokenType::colon},
    {"|", TokenType::pipe},
    {",", TokenType::comma},
    {";", TokenType::semicolon},
};

class Lexer {
  public:
    Lexer(std::string_view source, Heap& heap) : source_(source), heap_(heap) {}

    Tokens run() {
        while (!failure_ && at_ < source_.size()) read_text_and_tag();
        add(failure_ ? TokenType::failure : TokenType::end_of_template);
        // Jinja reports the end of the template at the line of the last token.
        if (!failure_) tokens_.back().line = tokens_.size() > 1 ? tokens_[tokens_.size() - 2].line : 1;
        return {heap_.copy(tokens_), failure_.value_or(Failure())};
    }

  private:
    bool starts_with(std::string_view text) const { return source_.substr(at_).starts_with(text); }
    char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

    // Moves to `position` and counts the lines passed.
    void move_to(size_t position) {
        for (; at_ < position; ++at_) line_ += source_[at_] == '\n';
    }

    void add(TokenType type, std::string_view text = {}, Value number = Value()) {
        tokens_.push_back({type, line_, text, number});
    }

    void fail(std::string message) {
        if (!failure_) failure_ = Failure{ErrorClass::syntax, std::move(message), line_};
    }

    void skip_space() {
        while (at_ < source_.size()) {
            size_t after = at_;
            if (!is_space(next_code_point(source_, after))) return;
            move_to(after);
        }
    }

    // The start of the next {{, {% or {#, or npos.
    size_t find_tag() const {
        for (size_t from = at_;;) {
            size_t brace = source_.find('{', from);
            if (brace == source_.npos || brace + 1 >= source_.size()) return source_.npos;
            char next = source_[brace + 1];
            if (next == '{' || next == '%' || next == '#') return brace;
            from = brace + 1;
        }
    }

    char read_sign() {
        char sign = peek();
        if (sign != '-' && sign != '+') return '\0';
        move_to(at_ + 1);
        return sign;
    }

    // Template text before a tag, with the blanks taken off that `sign` and lstrip_blocks ask for.
    std::string_view trim_text(std::string_view text, char sign, bool is_variable) const {
        if (sign == '-') return strip_right(text);
        if (sign == '+' || is_variable) return text;
        size_t line_start = text.rfind('\n') + 1;  // npos + 1 is 0
        if (line_start == 0 && !at_line_start_) return text;
        std::string_view last_line = text.substr(line_start);
        return strip_left(last_line).empty() ? text.substr(0, line_start) : text;
    }

    void read_text_and_tag() {
        size_t tag = find_tag();
        if (tag == source_.npos) {
            add(TokenType::text, source_.substr(at_));
            move_to(source_.size());
            return;
        }
        char opening = source_[tag + 1];
        char after = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
        char sign = after == '-' || after == '+' ? after : '\0';
        std::string_view text = trim_text(source_.substr(at_, tag - at_), sign, opening == '{');
        if (!text.empty()) add(TokenType::text, text);
        move_to(tag + 2 + (sign ? 1 : 0));
        switch (opening) {
            case '#':
                return read_comment();
            case '{':
                return read_tag(TokenType::variable_begin);
            default:
                if (!read_raw()) read_tag(TokenType::block_begin);
        }
    }

    // Behind "%}", "#}" or "}}" with this sign: what belongs to the tag's end.
    void finish_tag(char sign, bool trims_newline) {
        if (sign == '-')
            skip_space();
        else if (sign != '+' && trims_newline && peek() == '\n')
            move_to(at_ + 1);
        at_line_start_ = at_ > 0 && source_[at_ - 1] == '\n';
    }

    void read_comment() {
        if (at_ == source_.size()) return;
        size_t end = source_.find("#}", at_);
        if (end == source_.npos) return fail("Missing end of comment tag");
        char sign = end > at_ && (source_[end - 1] == '-' || source_[end - 1] == '+') ? source_[end - 1] : '\0';
        move_to(end + 2);
        finish_tag(sign, true);
    }

    // `word %}` behind the opening of a block tag at `position`: the position behind it, or nothing. `end_sign` gets
    // the sign before %}.
    std::optional<size_t> match_word_tag(size_t position, std::string_view word, char& end_sign) const {
        auto skip = [&] {
            for (size_t after = position; after < source_.size(); position = after)
                if (!is_space(next_code_point(source_, after))) return;
        };
        skip();
        if (!source_.substr(position).starts_with(word)) return {};
        position += word.size();
        skip();
        end_sign = position < source_.size() && (source_[position] == '-' || source_[position] == '+')
                       ? source_[position]
                       : '\0';
        position += end_sign != '\0';
        if (!source_.substr(position).starts_with("%}")) return {};
        return position + 2;
    }

    // {% raw %} ... {% endraw %}; false if the tag just opened is another one.
    bool read_raw() {
        char sign = '\0';
        std::optional<size_t> behind = match_word_tag(at_, "raw", sign);
        if (!behind || sign == '+') return false;
        move_to(*behind);
        finish_tag(sign, false);
        if (at_ == source_.size()) return true;
        for (size_t from = at_;;) {
            size_t tag = source_.find("{%", from);
            if (tag == source_.npos) return fail("Missing end of raw directive"), true;
            char after = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
            char open_sign = after == '-' || after == '+' ? after : '\0';
            char end_sign = '\0';
            std::optional<size_t> end = match_word_tag(tag + 2 + (open_sign ? 1 : 0), "endraw", end_sign);
            if (!end) {
                from = tag + 2;
                continue;
            }
            std::string_view text = trim_text(source_.substr(at_, tag - at_), open_sign, false);
            if (!text.empty()) add(TokenType::text, text);
            move_to(*end);
            finish_tag(end_sign, true);
            return true;
        }
    }

    // The tokens of {{ ... }} or {% ... %}.
    void read_tag(TokenType begin) {
        add(begin);
        bool is_variable = begin == TokenType::variable_begin;
        std::string_view closing = is_variable ? "}}" : "%}";
        std::string open_brackets;
        while (!failure_ && at_ < source_.size()) {
            bool has_sign = peek() == '-' || (peek() == '+' && !is_variable);
            if (open_brackets.empty() && source_.substr(at_ + has_sign).starts_with(closing)) {
                add(is_variable ? TokenType::variable_end : TokenType::block_end);
                char sign = has_sign ? peek() : '\0';
                move_to(at_ + has_sign + 2);
                return finish_tag(sign, !is_variable);
            }
            read_token(open_brackets);
        }
    }

    void read_token(std::string& open_brackets) {
        size_t after = at_;
        char32_t c = next_code_point(source_, after);
        if (is_space(c)) return skip_space();
        if (c >= '0' && c <= '9') return read_number();
        if (is_word(c)) return read_name();
        if ((c == '\'' || c == '"') && read_string(static_cast<char>(c))) return;
        for (const Operator& candidate : kOperators) {
            if (!starts_with(candidate.text)) continue;
            if (!balance(candidate.text, open_brackets)) return;
            add(candidate.type);
            return move_to(at_ + candidate.text.size());
        }
        fail(fmt::format("unexpected char {} at {}", python_quoted(source_.substr(at_, after - at_)),
                         count_code_points(source_.substr(0, at_))));
    }

    bool balance(std::string_view op, std::string& open_brackets) {
        if (op == "{" || op == "(" || op == "[") open_brackets += op == "{" ? '}' : op == "(" ? ')' : ']';
        if (op != "}" && op != ")" && op != "]") return true;
        if (open_brackets.empty()) {
            fail(fmt::format("unexpected '{}'", op));
            return false;
        }
        char expected = open_brackets.back();
        open_brackets.pop_back();
        if (expected == op[0]) return true;
        fail(fmt::format("unexpected '{}', expected '{}'", op, expected));
        return false;
    }

    void read_name() {
        size_t end = at_;
        for (size_t after = end; after < source_.size(); end = after)
            if (!is_word(next_code_point(source_, after))) break;
        std::string_view name = source_.substr(at_, end - at_);
        if (!is_identifier(name)) return fail("Invalid character in identifier");
        add(TokenType::name, name);
        move_to(end);
    }

    // End of digits with single underscores between them, from `position`; `position` itself if there is none.
    size_t end_of_digits(size_t position, std::string_view digits = "0123456789") const {
        auto is_digit = [&](size_t p) { return p < source_.size() && digits.find(source_[p]) != digits.npos; };
        if (!is_digit(position)) return position;
        while (is_digit(position) || (position < source_.size() && source_[position] == '_' && is_digit(position + 1)))
            ++position;
        return position;
    }

    // The end of a float that starts here, or nothing.
    std::optional<size_t> match_real() const {
        if (at_ > 0 && source_[at_ - 1] == '.') return {};
        size_t end = end_of_digits(at_);
        size_t fraction_end = end < source_.size() && source_[end] == '.' ? end_of_digits(end + 1) : end;
        bool has_fraction = fraction_end > end + 1;
        if (has_fraction) end = fraction_end;
        if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
            size_t exponent = end + 1;
            if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
            size_t exponent_end = end_of_digits(exponent);
            if (exponent_end > exponent) return exponent_end;
        }
        if (has_fraction) return end;
        return {};
    }

    size_t match_integer() const {
        if (source_[at_] != '0') return end_of_digits(at_);
        char base = static_cast<char>(peek(1) | 0x20);
        std::string_view digits = base == 'x'   ? "0123456789abcdefABCDEF"
                                  : base == 'o' ? "01234567"
                                  : base == 'b' ? "01"
                                                : "";
        size_t start = at_ + 2 + (peek(2) == '_' ? 1 : 0);
        size_t end = digits.empty() ? start : end_of_digits(start, digits);
        return end > start ? end : end_of_digits(at_, "0");
    }

    void read_number() {
        if (std::optional<size_t> end = match_real()) {
            std::optional<double> number = parse_real(source_.substr(at_, *end - at_));
            add(TokenType::real, {}, Value::real(number.value_or(0)));
            return move_to(*end);
        }
        size_t end = match_integer();
        std::optional<ParsedInteger> parsed = parse_integer(source_.substr(at_, end - at_), 0);
        if (!parsed || parsed->is_too_large) return fail("integer literal beyond 127 bits");
        add(TokenType::integer, {}, Value::integer(parsed->number));
        move_to(end);
    }

    // False if the string does not end.
    bool read_string(char quote) {
        size_t end = at_ + 1;
        while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
        if (end >= source_.size()) return false;
        std::string_view inside = source_.substr(at_ + 1, end - at_ - 1);
        std::string_view text = inside;
        if (inside.find('\\') != inside.npos) {
            std::string unescaped, problem;
            if (!unescape_string(inside, unescaped, problem)) return fail(problem), true;
            text = heap_.copy(unescaped);
        }
        add(TokenType::string, text);
        move_to(end + 1);
        return true;
    }

    std::string_view source_;
    Heap& heap_;
    std::vector<Token> tokens_;
    std::optional<Failure> failure_;
    size_t at_ = 0;
    uint32_t line_ = 1;
    bool at_line_start_ = true;  // whether the last tag ended with a newline
};

}  // namespace

std::string normalize_source(std::string_view source) {
    std::string out;
    out.reserve(source.size());
    for (size_t at = 0; at < source.size(); ++at) {
        bool is_return = source[at] == '\r';
        if (is_return && at + 1 < source.size() && source[at + 1] == '\n') ++at;
        out += is_return ? '\n' : source[at];
    }
    if (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
}

Tokens tokenize(std::string_view normalized_source, Heap& heap) {
    return Lexer(normalized_source, heap).run();
}

std::string_view describe(TokenType type) {
    for (const Operator& candidate : kOperators)
        if (candidate.type == type) return candidate.text;
    switch (type) {
        case TokenType::text:
            return "template data / text";
        case TokenType::variable_begin:
            return "begin of print statement";
        case TokenType::variable_end:
            return "end of print statement";
        case TokenType::block_begin:
            return "begin of statement block";
        case TokenType::block_end:
            return "end of statement block";
        case TokenType::name:
            return "name";
        case TokenType::string:
            return "string";
        case TokenType::integer:
            return "integer";
        case TokenType::real:
            return "float";
        default:
            return "end of template";
    }
}

std::string_view describe(const Token& token) {
    return token.type == TokenType::name ? token.text : describe(token.type);
}

}  // namespace hone::text::chat
