// Filters that make one text of another: case, blanks, indentation, replacement, formatting.
#include <array>

#include "text/chat/access.h"
#include "text/chat/filters.h"
#include "text/chat/markup.h"
#include "text/chat/method_table.h"
#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/operators.h"
#include "text/chat/percent_format.h"
#include "text/chat/python_text.h"
#include "text/chat/text_splitting.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

// str(value), keeping markup.
Value soft_str(Rendering& rendering, const Value& value) {
    return value.is(Kind::string) ? value : Value::string(to_str(rendering, value));
}

// The filter that is a method of str.
Value call_method(Rendering& rendering, std::string_view method, const Value& self, const Arguments& arguments) {
    return call_native(rendering, *find_methods(method)->of_string, soft_str(rendering, self), arguments);
}

Value upper(Rendering& rendering, const Value& self, const Arguments&) {
    return call_method(rendering, "upper", self, {});
}
Value lower(Rendering& rendering, const Value& self, const Arguments&) {
    return call_method(rendering, "lower", self, {});
}
Value capitalize_filter(Rendering& rendering, const Value& self, const Arguments&) {
    return call_method(rendering, "capitalize", self, {});
}
Value trim(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return call_method(rendering, "strip", self, arguments);
}
Value center(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::array<Value, 1> width = {is_given(arguments.positional[0]) ? arguments.positional[0] : Value::integer(80)};
    return call_method(rendering, "center", self, {.positional = width});
}
Value string(Rendering& rendering, const Value& self, const Arguments&) {
    return soft_str(rendering, self);
}

// Words begin after blanks, - ( { [ and <.
Value title(Rendering& rendering, const Value& self, const Arguments&) {
    Value value = soft_str(rendering, self);
    std::string_view text = value.text();
    if (!rendering.admit_text(3 * text.size())) return rendering.nothing();
    auto is_separator = [](char32_t c) {
        return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
    };
    std::string out;
    for (size_t at = 0; at < text.size();) {
        size_t start = at;
        if (is_separator(next_code_point(text, at))) {
            out += text.substr(start, at - start);
            continue;
        }
        size_t first_end = at;
        for (size_t after = at; after < text.size(); at = after)
            if (is_separator(next_code_point(text, after))) break;
        out += to_upper(text.substr(start, first_end - start));
        out += to_lower(text.substr(first_end, at - first_end));
    }
    return rendering.text(out, value.is_markup());
}

Value replace(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::span<const Value> given = arguments.positional;
    Integer times = is_absent(given[2]) ? -1 : integer_argument(rendering, given[2], -1);
    std::string_view from = to_str(rendering, given[0]), to = to_str(rendering, given[1]);
    bool escapes = rendering.autoescape && (given[0].is_markup() || (given[1].is_markup() && !self.is_markup()));
    bool is_markup = rendering.autoescape && (escapes || self.is_markup());
    std::string_view text = escapes ? escaped(rendering, self) : to_str(rendering, self);
    if (is_markup) to = escaped(rendering, given[1]);
    return replace_text(rendering, text, from, to, times, is_markup);
}

Value format(Rendering& rendering, const Value& self, const Arguments& arguments) {
    if (!arguments.positional.empty() && !arguments.keyword.empty())
        return rendering.fail(ErrorClass::filter_argument,
                              "can't handle positional and keyword arguments at the same time");
    Value format = soft_str(rendering, self);
    if (arguments.keyword.empty())
        return percent_format(rendering, format,
                              rendering.tuple({arguments.positional.begin(), arguments.positional.end()}));
    std::vector<Entry> entries;
    for (const Keyword& argument : arguments.keyword) entries.push_back({Value::string(argument.name), argument.value});
    return percent_format(rendering, format, rendering.dict(entries));
}

Value indent(Rendering& rendering, const Value& self, const Arguments& arguments) {
    if (self.is(Kind::undefined)) return rendering.fail_undefined(self);
    if (!self.is(Kind::string))
        return rendering.fail(self.is(Kind::list) ? ErrorClass::attribute : ErrorClass::type,
                              "unsupported operand type(s) for +=: '{}' and 'str'", type_name(self));
    const Value& width = arguments.positional[0];
    std::string indention;
    if (width.is(Kind::string)) {
        indention = width.text();
    } else {
        Integer blanks = std::max<Integer>(integer_argument(rendering, width, 4), 0);
        if (blanks > (1 << 20)) return rendering.fail(ErrorClass::budget, "an indentation of more than a megabyte");
        indention.assign(static_cast<size_t>(blanks), ' ');
    }
    bool is_first_indented = truth_argument(arguments.positional[1], false);
    bool are_blanks_indented = truth_argument(arguments.positional[2], false);
    std::string with_end = std::string(self.text()) + "\n", out;
    std::vector<std::string_view> lines = split_lines(with_end, false);
    for (size_t i = 0; i < lines.size(); ++i) {
        if (!rendering.admit_append(out.size(), lines[i].size() + indention.size() + 1)) return rendering.nothing();
        if (i > 0) out += '\n';
        bool is_indented = i == 0 ? is_first_indented : are_blanks_indented || !lines[i].empty();
        if (is_indented) out += indention;
        out += lines[i];
    }
    return rendering.text(out, self.is_markup());
}

Value truncate(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::optional<size_t> size = chat::length(self);
    if (!size) return rendering.fail(ErrorClass::type, "object of type '{}' has no len()", type_name(self));
    std::string_view text = self.is(Kind::string) ? self.text() : "",
                     end = text_argument(rendering, arguments.positional[2], "...");
    Integer length = integer_argument(rendering, arguments.positional[0], 255);
    Integer leeway = is_absent(arguments.positional[3]) ? 5 : integer_argument(rendering, arguments.positional[3], 5);
    auto end_size = static_cast<Integer>(count_code_points(end));
    if (length < end_size)
        return rendering.fail(ErrorClass::assert_failed, "expected length >= {}, got {}", integer_text(end_size),
                              integer_text(length));
    if (leeway < 0)
        return rendering.fail(ErrorClass::assert_failed, "expected leeway >= 0, got {}", integer_text(leeway));
    if (static_cast<Integer>(*size) <= length + leeway || !rendering.spend_on_text(text.size())) return self;
    if (!self.is(Kind::string))
        return rendering.fail(ErrorClass::attribute, "'{}' object has no attribute 'rsplit'", type_name(self));
    std::string_view kept = text.substr(0, byte_offset(text, static_cast<size_t>(length - end_size)));
    bool kills_words = truth_argument(arguments.positional[1], false);
    if (!kills_words) kept = split_text(kept, " ", 1, true)[0];
    return rendering.concatenate(kept, end, self.is_markup());
}

Value count_words(Rendering& rendering, const Value& self, const Arguments&) {
    std::string_view text = to_str(rendering, self);
    if (!rendering.spend_on_text(text.size())) return rendering.nothing();
    Integer words = 0;
    bool was_word = false;
    for (size_t at = 0; at < text.size();) {
        bool word = is_word(next_code_point(text, at));
        words += word && !was_word;
        was_word = word;
    }
    return Value::integer(words);
}

Value join(Rendering& rendering, const Value& self, const Arguments& arguments) {
    // join(d='', attribute=None) is map(attribute) | join.
    std::vector<Value> items = elements(rendering, self);
    const Value& attribute = arguments.positional[1];
    std::string_view separator = is_given(arguments.positional[0]) ? to_str(rendering, arguments.positional[0]) : "";
    AttributePath path(rendering, attribute);
    bool is_markup = arguments.positional[0].is_markup() && rendering.autoescape;
    for (Value& item : items) {
        item = path.get(rendering, item);
        is_markup |= rendering.autoescape && item.is_markup();
    }
    if (is_markup && is_given(arguments.positional[0])) separator = escaped(rendering, arguments.positional[0]);
    std::string out;
    for (size_t i = 0; i < items.size() && !rendering.failed(); ++i) {
        if (i > 0) out += separator;
        if (!rendering.admit_append(out.size(), separator.size())) break;
        if (is_markup)
            out += escaped(rendering, items[i]);
        else
            append_str(rendering, out, items[i]);
    }
    return rendering.text(out, is_markup);
}

constexpr Native kFilters[] = {
    {"capitalize", {}, 0, capitalize_filter},
    {"center", {"width"}, 0, center},
    {"format", {}, 0, format, true},
    {"indent", {"width", "first", "blank"}, 0, indent},
    {"join", {"d", "attribute"}, 0, join},
    {"lower", {}, 0, lower},
    {"replace", {"old", "new", "count"}, 2, replace},
    {"string", {}, 0, string},
    {"title", {}, 0, title},
    {"trim", {"chars"}, 0, trim},
    {"truncate", {"length", "killwords", "end", "leeway"}, 0, truncate},
    {"upper", {}, 0, upper},
    {"wordcount", {}, 0, count_words},
};

}  // namespace

std::span<const Native> text_filters() {
    return kFilters;
}

}  // namespace hone::text::chat
