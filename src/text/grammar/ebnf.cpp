#include "text/grammar/ebnf.h"

#include <algorithm>
#include <map>
#include <string>

#include "text/grammar/source_reader.h"
#include "text/utf8.h"

namespace hone::text {

namespace {

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

class EbnfParser {
  public:
    EbnfParser(GrammarBuilder& builder, std::string_view text) : builder_(builder), reader_(text) {}

    Result<Expression> parse() {
        skip_space();
        while (!reader_.failed() && !reader_.at_end()) parse_rule();
        if (!reader_.failed() && !rules_.contains("root")) reader_.fail("there is no rule 'root'");
        for (const auto& [name, rule] : rules_) {
            if (!rule.defined) reader_.fail(fmt::format("rule '{}' is not defined, but used", name), rule.first_use);
        }
        if (reader_.failed()) return reader_.failure().within("grammar");
        return builder_.call(rules_.at("root").rule);
    }

  private:
    struct Rule {
        GrammarRule rule;
        bool defined = false;
        std::string_view first_use;
    };
    // An alternative of a rule. One that begins with the rule itself has what follows.
    struct Alternative {
        std::vector<Expression> parts;
        bool begins_with_itself = false;
    };

    void skip_space() {
        for (;;) {
            const char c = reader_.peek();
            if (c == '#') {
                while (!reader_.at_end() && reader_.peek() != '\n') reader_.next();
            } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
                reader_.next();
            } else {
                return;
            }
        }
    }

    std::string_view peek_name() const {
        const std::string_view rest = reader_.rest();
        size_t length = 0;
        if (!rest.empty() && is_name_start(rest[0])) {
            while (length < rest.size() && is_name(rest[length])) length++;
        }
        return rest.substr(0, length);
    }

    // Whether `name ::=` comes next.
    bool at_rule() const {
        const std::string_view name = peek_name();
        if (name.empty()) return false;
        std::string_view behind = reader_.rest().substr(name.size());
        behind.remove_prefix(std::min(behind.find_first_not_of(" \t\r\n"), behind.size()));
        return behind.starts_with("::=");
    }

    Rule& find(std::string_view name) {
        const auto [entry, is_new] = rules_.try_emplace(std::string(name));
        if (is_new) entry->second = {builder_.rule(std::string(name)), false, reader_.rest()};
        return entry->second;
    }

    void parse_rule() {
        if (!at_rule()) return reader_.fail("expected a rule, as in: name ::= \"text\"");
        const std::string_view name = peek_name();
        Rule& rule = find(name);
        if (rule.defined) return reader_.fail(fmt::format("rule '{}' is defined twice", name));
        rule.defined = true;
        reader_.take(name);
        skip_space();
        reader_.take("::=");
        skip_space();
        std::vector<Expression> bases, tails;
        for (const Alternative& alternative : parse_alternatives(name)) {
            (alternative.begins_with_itself ? tails : bases).push_back(builder_.sequence(alternative.parts));
        }
        if (reader_.failed()) return;
        Expression body = builder_.choice(std::move(bases));
        if (!tails.empty()) {
            body = builder_.sequence({body, builder_.repeat(builder_.choice(std::move(tails)), 0, std::nullopt)});
        }
        builder_.define(rule.rule, body);
    }

    std::vector<Alternative> parse_alternatives(std::string_view own_name) {
        std::vector<Alternative> alternatives;
        do {
            skip_space();
            alternatives.push_back(parse_alternative(own_name));
        } while (!reader_.failed() && reader_.take('|'));
        return alternatives;
    }

    Alternative parse_alternative(std::string_view own_name) {
        Alternative alternative;
        for (bool first = true; !reader_.failed() && !reader_.at_end() && !at_rule(); first = false) {
            const char next = reader_.peek();
            if (next == '|' || next == ')') break;
            const bool is_self = first && !own_name.empty() && peek_name() == own_name;
            const std::string_view from = reader_.rest();
            const Expression item = parse_item();
            skip_space();
            uint32_t least = 1;
            std::optional<uint32_t> most = 1;
            const bool repeats = take_quantifier(least, most);
            if (is_self && !repeats) {
                alternative.begins_with_itself = true;
                continue;
            }
            if (is_self && least == 0) reader_.fail("a rule that begins with itself, perhaps", from);
            if (!reader_.failed()) alternative.parts.push_back(repeats ? builder_.repeat(item, least, most) : item);
        }
        return alternative;
    }

    bool take_quantifier(uint32_t& least, std::optional<uint32_t>& most) {
        bool found = true;
        if (reader_.take('*')) {
            least = 0, most.reset();
        } else if (reader_.take('+')) {
            most.reset();
        } else if (reader_.take('?')) {
            least = 0;
        } else {
            found = reader_.take_braces(least, most, SourceReader::Braces::kStrict);
        }
        skip_space();
        return found;
    }

    Expression parse_item() {
        const char next = reader_.peek();
        if (next == '"' || next == '\'') return parse_literal(next);
        if (next == '[') return parse_class();
        if (next == '<') return parse_token();
        if (next == '(') return parse_group();
        if (reader_.take('.')) return builder_.characters(CodePoints::all());
        const std::string_view name = peek_name();
        if (name.empty()) {
            reader_.fail("expected a literal, a class, a group or the name of a rule");
            return builder_.empty();
        }
        const Expression call = builder_.call(find(name).rule);
        reader_.take(name);
        return call;
    }

    Expression parse_group() {
        const std::string_view from = reader_.rest();
        if (++depth_ > builder_.limits().nesting) reader_.fail("too many nested groups");
        reader_.take('(');
        std::vector<Expression> alternatives;
        if (!reader_.failed()) {
            for (const Alternative& alternative : parse_alternatives({})) {
                alternatives.push_back(builder_.sequence(alternative.parts));
            }
        }
        if (!reader_.failed() && !reader_.take(')')) reader_.fail("the group does not end", from);
        depth_--;
        return builder_.choice(std::move(alternatives));
    }

    Expression parse_literal(char quote) {
        const std::string_view from = reader_.rest();
        reader_.take(quote);
        std::string bytes;
        while (!reader_.failed() && !reader_.take(quote)) {
            if (reader_.at_end()) {
                reader_.fail("the literal does not end", from);
            } else {
                append_utf8(bytes, parse_character());
            }
        }
        return builder_.literal(bytes);
    }

    char32_t parse_character() {
        const std::string_view from = reader_.rest();
        if (!reader_.take('\\')) return reader_.next();
        const char32_t letter = reader_.next();
        switch (letter) {
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'x':
                return reader_.hex(2);
            case 'u':
                return reader_.hex(4);
            case 'U':
                return reader_.hex(8);
        }
        if (letter >= 128 || std::string_view("\\\"'[]-^/").find(static_cast<char>(letter)) == std::string_view::npos) {
            reader_.fail("unknown escape", from);
        }
        return letter;
    }

    Expression parse_class() {
        const std::string_view from = reader_.rest();
        reader_.take('[');
        const bool inverted = reader_.take('^');
        CodePoints set;
        while (!reader_.failed() && !reader_.take(']')) {
            if (reader_.at_end()) {
                reader_.fail("the class does not end", from);
                break;
            }
            const std::string_view item = reader_.rest();
            const char32_t low = parse_character();
            char32_t high = low;
            if (reader_.peek() == '-' && !reader_.rest().starts_with("-]")) {
                reader_.take('-');
                high = parse_character();
            }
            if (high < low) reader_.fail("a range with its ends the wrong way round", item);
            set.add(low, high);
        }
        return builder_.characters(inverted ? set.inverted() : set);
    }

    Expression parse_token() {
        const std::string_view from = reader_.rest();
        reader_.take("<[");
        int64_t id = 0;
        bool any = false;
        for (; reader_.peek() >= '0' && reader_.peek() <= '9' && id < kMaxVocabulary; any = true) {
            id = id * 10 + static_cast<int64_t>(reader_.next() - '0');
        }
        if (!any || id >= kMaxVocabulary || !reader_.take("]>")) {
            reader_.fail("expected the id of a token, as in <[123]>", from);
            return builder_.empty();
        }
        return builder_.token(static_cast<TokenId>(id));
    }

    GrammarBuilder& builder_;
    SourceReader reader_;
    std::map<std::string, Rule, std::less<>> rules_;
    size_t depth_ = 0;
};

}  // namespace

Result<Expression> add_ebnf(GrammarBuilder& builder, std::string_view text) {
    if (const Status status = check_source(text, builder.limits()); !status) return status.error().within("grammar");
    return EbnfParser(builder, text).parse();
}

Result<Grammar> grammar_of_ebnf(std::string_view text, const GrammarLimits& limits) {
    GrammarBuilder builder(limits);
    const auto root = add_ebnf(builder, text);
    if (!root) return root.error();
    return builder.build(*root);
}

}  // namespace hone::text
