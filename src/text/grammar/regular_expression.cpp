#include "text/grammar/regular_expression.h"

#include <unicode/uniset.h>

#include "text/grammar/source_reader.h"

namespace hone::text {

namespace {

// The classes of a backslash and a letter, and back references and other things that are none.
CodePoints digits() {
    return {'0', '9'};
}
CodePoints word_characters() {
    CodePoints set = digits();
    set.add('a', 'z');
    set.add('A', 'Z');
    set.add('_');
    return set;
}
CodePoints spaces() {
    return CodePoints::of(" \t\n\r\f\v");
}

// What an expression is read into: anchors are kept until it is known what they mean where they are.
struct Anchored {
    Expression body;
    bool at_start = false, at_end = false;
};

class RegexParser {
  public:
    RegexParser(GrammarBuilder& builder, std::string_view pattern, RegexScope scope, CharacterForm form)
        : builder_(builder), reader_(pattern), scope_(scope), form_(form) {}

    Result<Expression> parse() {
        const Expression whole = parse_alternatives(true);
        if (!reader_.failed() && !reader_.at_end()) reader_.fail("unbalanced )");
        if (reader_.failed()) return reader_.failure().within("regular expression");
        return whole;
    }

  private:
    // `is_edge`: nothing of the expression is around these alternatives, so anchors have a meaning.
    Expression parse_alternatives(bool is_edge) {
        std::vector<Expression> alternatives;
        do {
            alternatives.push_back(parse_sequence(is_edge));
        } while (!reader_.failed() && reader_.take('|'));
        return builder_.choice(std::move(alternatives));
    }

    bool take_start() { return reader_.take('^') || reader_.take("\\A"); }
    bool take_end() { return reader_.take('$') || reader_.take("\\Z") || reader_.take("\\z"); }
    bool at_sequence_end() const { return reader_.at_end() || reader_.peek() == '|' || reader_.peek() == ')'; }

    Expression parse_sequence(bool is_edge) {
        std::vector<Expression> parts;
        bool starts = false, ends = false;
        while (is_edge && take_start()) starts = true;
        // A group that is all there is may hold the anchors.
        if (is_edge && !starts && is_lone_group()) {
            open_group();
            const Expression inner = nested([&] { return parse_alternatives(true); });
            if (!reader_.take(')')) reader_.fail("missing )");
            return inner;
        }
        while (!reader_.failed() && !at_sequence_end()) {
            if (is_edge && take_end()) {
                ends = true;
                while (take_end()) {
                }
                if (!at_sequence_end()) reader_.fail("an anchor in the middle is not supported");
                break;
            }
            parts.push_back(parse_repetition());
        }
        Expression sequence = builder_.sequence(std::move(parts));
        if (!is_edge || scope_ == RegexScope::kWhole) return sequence;
        const Expression any = builder_.repeat(builder_.characters(CodePoints::all(), form_), 0, std::nullopt);
        return builder_.sequence({starts ? builder_.empty() : any, sequence, ends ? builder_.empty() : any});
    }

    // Whether a group begins here whose end is the end of the alternative.
    bool is_lone_group() const {
        const std::string_view rest = reader_.rest();
        if (!rest.starts_with('(')) return false;
        size_t depth = 0;
        for (size_t i = 0; i < rest.size(); i++) {
            if (rest[i] == '\\') {
                i++;
            } else if (rest[i] == '[') {
                i = end_of_class(rest, i);
            } else if (rest[i] == '(') {
                depth++;
            } else if (rest[i] == ')' && --depth == 0) {
                const std::string_view behind = rest.substr(i + 1);
                return behind.empty() || behind.front() == ')' || behind.front() == '|';
            }
        }
        return false;
    }

    static size_t end_of_class(std::string_view text, size_t at) {
        at += at + 1 < text.size() && text[at + 1] == '^' ? 2 : 1;
        if (at < text.size() && text[at] == ']') at++;
        while (at < text.size() && text[at] != ']') at += text[at] == '\\' ? 2 : 1;
        return at;
    }

    template <class Parse>
    Expression nested(Parse&& parse) {
        if (++depth_ > builder_.limits().nesting) reader_.fail("too many nested groups");
        const Expression result = reader_.failed() ? builder_.empty() : parse();
        depth_--;
        return result;
    }

    void open_group() {
        reader_.take('(');
        if (!reader_.take('?')) return;
        if (reader_.take(':')) return;
        if (reader_.take("<=") || reader_.take("<!") || reader_.take('=') || reader_.take('!')) {
            return reader_.fail("look-around is not supported");
        }
        if (reader_.take("P=") || reader_.take("P>")) return reader_.fail("back references are not supported");
        if (reader_.take("P<") || reader_.take('<')) {
            while (!reader_.at_end() && reader_.peek() != '>') reader_.next();
            if (!reader_.take('>')) reader_.fail("the name of the group does not end");
            return;
        }
        reader_.fail("groups of this kind (flags, atomic, conditional, comment) are not supported");
    }

    Expression parse_repetition() {
        const Expression what = parse_atom();
        uint32_t least = 1;
        std::optional<uint32_t> most = 1;
        if (reader_.failed() || !take_quantifier(least, most)) return what;
        reader_.take('?');  // lazy: the same language
        if (reader_.take('+')) reader_.fail("possessive quantifiers are not supported");
        if (!at_sequence_end()) {
            const std::string_view rest = reader_.rest();
            uint32_t unused;
            std::optional<uint32_t> also_unused;
            if (take_quantifier(unused, also_unused)) reader_.fail("a quantifier after a quantifier", rest);
        }
        if (reader_.failed()) return what;
        return builder_.repeat(what, least, most);
    }

    bool take_quantifier(uint32_t& least, std::optional<uint32_t>& most) {
        if (reader_.take('*')) return least = 0, most.reset(), true;
        if (reader_.take('+')) return least = 1, most.reset(), true;
        if (reader_.take('?')) return least = 0, most = 1, true;
        return reader_.take_braces(least, most, SourceReader::Braces::kLenient);
    }

    Expression parse_atom() {
        const char next = reader_.peek();
        if (next == '(') {
            open_group();
            const Expression inner = nested([&] { return parse_alternatives(false); });
            if (!reader_.failed() && !reader_.take(')')) reader_.fail("missing )");
            return inner;
        }
        if (next == '*' || next == '+' || next == '?') reader_.fail("nothing to repeat");
        if (next == '^' || next == '$') reader_.fail("an anchor in the middle is not supported");
        if (next == '[') return builder_.characters(parse_class(), form_);
        if (next == '.') {
            reader_.next();
            return builder_.characters(CodePoints('\n', '\n').inverted(), form_);
        }
        CodePoints set;
        if (next == '\\') {
            set = parse_escape(false);
        } else {
            set.add(reader_.next());
        }
        return builder_.characters(std::move(set), form_);
    }

    // After the backslash is looked at: one character, or a class.
    CodePoints parse_escape(bool in_class) {
        const std::string_view from = reader_.rest();
        reader_.take('\\');
        if (reader_.at_end()) return reader_.fail("a backslash at the end", from), CodePoints();
        const char32_t letter = reader_.next();
        const auto one = [](char32_t code) { return CodePoints(code, code); };
        switch (letter) {
            case 'd':
                return digits();
            case 'D':
                return digits().inverted();
            case 'w':
                return word_characters();
            case 'W':
                return word_characters().inverted();
            case 's':
                return spaces();
            case 'S':
                return spaces().inverted();
            case 'p':
            case 'P':
                return parse_property(letter == 'P', from);
            case 'n':
                return one('\n');
            case 'r':
                return one('\r');
            case 't':
                return one('\t');
            case 'f':
                return one('\f');
            case 'v':
                return one('\v');
            case 'a':
                return one('\a');
            case '0':
                return one(0);
            case 'x':
                return one(reader_.hex(2));
            case 'u':
                return one(reader_.peek() == '{' ? reader_.braced_hex() : reader_.hex(4));
            case 'U':
                return one(reader_.hex(8));
            case 'c':
                return one(reader_.next() % 32);
            case 'b':
                if (in_class) return one('\b');
                break;
        }
        if (letter >= '1' && letter <= '9') {
            reader_.fail("back references are not supported", from);
        } else if (letter < 128 && std::isalpha(static_cast<int>(letter))) {
            reader_.fail("this escape is not supported", from);
        }
        return one(letter);
    }

    CodePoints parse_property(bool inverted, std::string_view from) {
        std::string name = "L";
        if (reader_.take('{')) {
            const std::string_view rest = reader_.rest();
            name = rest.substr(0, rest.find('}'));
            while (!reader_.at_end() && reader_.peek() != '}') reader_.next();
            if (!reader_.take('}')) reader_.fail("the name of the property does not end", from);
        } else if (!reader_.at_end()) {
            name = static_cast<char>(reader_.next());
        }
        UErrorCode code = U_ZERO_ERROR;
        CodePoints set;
        const bool plain =
            name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_=- 0123456789") ==
            std::string::npos;
        if (plain && name.size() < 64) {
            const icu::UnicodeSet found(icu::UnicodeString::fromUTF8("\\p{" + name + "}"), code);
            for (int32_t i = 0; U_SUCCESS(code) && i < found.getRangeCount(); i++) {
                set.add(static_cast<char32_t>(found.getRangeStart(i)), static_cast<char32_t>(found.getRangeEnd(i)));
            }
        }
        if (!plain || U_FAILURE(code) || name.size() >= 64) reader_.fail("unknown Unicode property", from);
        return inverted ? set.inverted() : set;
    }

    CodePoints parse_class() {
        const std::string_view from = reader_.rest();
        reader_.take('[');
        const bool inverted = reader_.take('^');
        CodePoints set;
        bool first = true;
        while (!reader_.failed() && (first || reader_.peek() != ']')) {
            if (reader_.at_end()) return reader_.fail("missing ]", from), CodePoints();
            first = false;
            if (reader_.rest().starts_with("[:")) reader_.fail("POSIX classes are not supported");
            const CodePoints low = parse_class_item();
            if (reader_.peek() != '-' || reader_.rest().substr(1).starts_with(']') || reader_.rest().size() < 2) {
                set.add(low);
                continue;
            }
            const std::string_view dash = reader_.rest();
            reader_.take('-');
            const CodePoints high = parse_class_item();
            const auto is_one = [](const CodePoints& item) {
                return item.ranges().size() == 1 && item.ranges()[0].low == item.ranges()[0].high;
            };
            if (!is_one(low) || !is_one(high) || low.ranges()[0].low > high.ranges()[0].low) {
                reader_.fail("not a range of characters", dash);
            } else {
                set.add(low.ranges()[0].low, high.ranges()[0].low);
            }
        }
        reader_.take(']');
        return inverted ? set.inverted() : set;
    }

    CodePoints parse_class_item() {
        if (reader_.peek() == '\\') return parse_escape(true);
        const char32_t code = reader_.next();
        return {code, code};
    }

    GrammarBuilder& builder_;
    SourceReader reader_;
    RegexScope scope_;
    CharacterForm form_;
    size_t depth_ = 0;
};

}  // namespace

Result<Expression> add_regular_expression(GrammarBuilder& builder, std::string_view pattern, RegexScope scope,
                                          CharacterForm form) {
    if (const Status status = check_source(pattern, builder.limits()); !status) {
        return status.error().within("regular expression");
    }
    return RegexParser(builder, pattern, scope, form).parse();
}

Result<Grammar> grammar_of_regular_expression(std::string_view pattern, const GrammarLimits& limits) {
    GrammarBuilder builder(limits);
    const auto root = add_regular_expression(builder, pattern);
    if (!root) return root.error();
    return builder.build(*root);
}

}  // namespace hone::text
