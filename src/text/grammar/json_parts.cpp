#include "text/grammar/json_parts.h"

#include <boost/json/serialize.hpp>

#include "text/grammar/number_ranges.h"
#include "text/utf8.h"

namespace hone::text {

constexpr uint32_t kMostIndentation = 20;

Expression JsonParts::once(std::optional<GrammarRule>& rule, const char* name, Expression (JsonParts::*make)()) {
    if (!rule) {
        rule = b_.rule(name);
        b_.define(*rule, (this->*make)());
    }
    return b_.call(*rule);
}

Expression JsonParts::make_space() {
    const Expression indented = b_.sequence({b_.literal("\n"), b_.repeat(b_.literal(" "), 0, kMostIndentation)});
    return b_.choice({b_.empty(), b_.literal(" "), indented});
}

Expression JsonParts::space() {
    return whitespace_ == JsonWhitespace::kFlexible ? once(space_, "space", &JsonParts::make_space) : b_.empty();
}

Expression JsonParts::comma() {
    return b_.sequence({b_.literal(whitespace_ == JsonWhitespace::kSpaced ? ", " : ","), space()});
}

Expression JsonParts::colon() {
    return b_.sequence({b_.literal(whitespace_ == JsonWhitespace::kSpaced ? ": " : ":"), space()});
}

// What a string that is counted does without, as what is avoided cannot be looked for there: its first letter.
CodePoints JsonParts::harmful() const {
    return CodePoints::of(std::string_view(avoided_).substr(0, 1));
}

Expression JsonParts::without_avoided(Expression content) {
    return avoided_.empty() ? content : b_.both(content, b_.text_without(std::span(&avoided_, 1)));
}

// One code point of a string, in every spelling that JSON has.
Expression JsonParts::unit(bool counted) {
    CodePoints plain(0x20, 0x10FFFF);
    plain = plain.without(CodePoints::of("\"\\"));
    if (counted) plain = plain.without(harmful());
    const auto hex = [&](std::string_view digits) { return b_.characters(CodePoints::of(digits)); };
    constexpr std::string_view kAll = "0123456789abcdefABCDEF";
    const Expression any = hex(kAll), u = b_.literal("\\u");
    // Four digits that do not begin with d8 to df, or a pair of surrogates.
    const Expression code = b_.choice({b_.sequence({u, hex("0123456789abcefABCEF"), any, any, any}),
                                       b_.sequence({u, hex("dD"), hex("01234567"), any, any})});
    const Expression pair =
        b_.sequence({u, hex("dD"), hex("89abAB"), any, any, u, hex("dD"), hex("cdefCDEF"), any, any});
    return b_.choice({b_.characters(plain), b_.sequence({b_.literal("\\"), hex("\"\\/bfnrt")}), code, pair});
}

Expression JsonParts::make_string() {
    return quoted(without_avoided(b_.repeat(unit(false), 0, std::nullopt)));
}

Expression JsonParts::string() {
    return once(string_, "string", &JsonParts::make_string);
}

Expression JsonParts::string_of_length(uint32_t least, std::optional<uint32_t> most) {
    if (most && *most < least) return b_.nothing();
    return quoted(b_.repeat(unit(true), least, most));
}

Expression JsonParts::quoted(Expression content) {
    return b_.sequence({b_.literal("\""), content, b_.literal("\"")});
}

Expression JsonParts::content_of_length(uint32_t least, std::optional<uint32_t> most) {
    if (most && *most < least) return b_.nothing();
    return b_.repeat(b_.characters(CodePoints::all().without(harmful()), CharacterForm::kJson), least, most);
}

Expression JsonParts::content(std::string_view text) {
    const std::string quoted = boost::json::serialize(boost::json::string_view(text));
    return b_.literal(std::string_view(quoted).substr(1, quoted.size() - 2));
}

Expression JsonParts::make_integer() {
    return integers(b_, std::nullopt, std::nullopt);
}
Expression JsonParts::make_number() {
    return numbers(b_, std::nullopt, std::nullopt);
}
Expression JsonParts::integer() {
    return once(integer_, "integer", &JsonParts::make_integer);
}
Expression JsonParts::number() {
    return once(number_, "number", &JsonParts::make_number);
}
Expression JsonParts::boolean() {
    return b_.choice({b_.literal("true"), b_.literal("false")});
}
Expression JsonParts::null() {
    return b_.literal("null");
}

Expression JsonParts::braces(Expression members) {
    return b_.sequence({b_.literal("{"), space(), members, b_.literal("}")});
}

Expression JsonParts::brackets(Expression items) {
    return b_.sequence({b_.literal("["), space(), items, b_.literal("]")});
}

Expression JsonParts::constant(const boost::json::value& value) {
    std::vector<Expression> parts;
    if (const auto* object = value.if_object()) {
        for (const auto& member : *object) {
            if (!parts.empty()) parts.push_back(comma());
            parts.push_back(b_.sequence({quoted(content(member.key())), colon(), constant(member.value()), space()}));
        }
        return braces(b_.sequence(std::move(parts)));
    }
    if (const auto* array = value.if_array()) {
        for (const auto& item : *array) {
            if (!parts.empty()) parts.push_back(comma());
            parts.push_back(b_.sequence({constant(item), space()}));
        }
        return brackets(b_.sequence(std::move(parts)));
    }
    if (const auto* text = value.if_string()) return quoted(content(*text));
    if (const auto* number = value.if_double()) return b_.literal(fmt::format("{}", *number));
    return b_.literal(boost::json::serialize(value));
}

Expression JsonParts::list(Expression element) {
    const Expression spaced = b_.sequence({element, space()});
    return b_.optional(b_.sequence({spaced, b_.repeat(b_.sequence({comma(), spaced}), 0, std::nullopt)}));
}

Expression JsonParts::make_object() {
    return braces(list(b_.sequence({string(), colon(), value()})));
}
Expression JsonParts::make_array() {
    return brackets(list(value()));
}
Expression JsonParts::make_value() {
    return b_.choice({object(), array(), string(), number(), boolean(), null()});
}
Expression JsonParts::object() {
    return once(object_, "object", &JsonParts::make_object);
}
Expression JsonParts::array() {
    return once(array_, "array", &JsonParts::make_array);
}
Expression JsonParts::value() {
    return once(value_, "value", &JsonParts::make_value);
}

}  // namespace hone::text
