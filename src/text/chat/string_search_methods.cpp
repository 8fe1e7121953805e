// Methods of str that look for text: split, find, replace, join and their relatives. Positions are code points.
#include <algorithm>
#include <array>

#include "text/chat/markup.h"
#include "text/chat/method_table.h"
#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/python_text.h"
#include "text/chat/text_splitting.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

// The bytes that text[start:end] stands for; nothing if start is behind the end of the text.
struct Window {
    size_t begin = 0, end = 0;
};
std::optional<Window> window(Rendering& rendering, std::string_view text, const Value& start, const Value& end) {
    if (is_absent(start) && is_absent(end)) return Window{0, text.size()};
    auto size = static_cast<Integer>(count_code_points(text));
    auto place = [&](const Value& bound, Integer fallback) {
        if (is_absent(bound)) return fallback;
        Integer index = integer_argument(rendering, bound, 0);
        return index < 0 ? std::max<Integer>(index + size, 0) : index;
    };
    Integer first = place(start, 0), last = std::min(place(end, size), size);
    if (first > size || first > last) return {};
    return Window{byte_offset(text, static_cast<size_t>(first)), byte_offset(text, static_cast<size_t>(last))};
}

// Position of arguments[0] in self, from the left or the right, or -1.
Integer position(Rendering& rendering, const Value& self, const Arguments& arguments, bool from_right) {
    std::string_view text = self.text(), needle = text_argument(rendering, arguments.positional[0], "");
    std::optional<Window> range = window(rendering, text, arguments.positional[1], arguments.positional[2]);
    if (!range || !rendering.spend_on_text(text.size())) return -1;
    std::string_view searched = text.substr(range->begin, range->end - range->begin);
    size_t at = from_right ? searched.rfind(needle) : searched.find(needle);
    if (at == searched.npos) return -1;
    return static_cast<Integer>(count_code_points(text.substr(0, range->begin + at)));
}

Value find(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return Value::integer(position(rendering, self, arguments, false));
}
Value rfind(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return Value::integer(position(rendering, self, arguments, true));
}
Value found(Rendering& rendering, Integer at) {
    return at < 0 ? rendering.fail(ErrorClass::value, "substring not found") : Value::integer(at);
}
Value index(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return found(rendering, position(rendering, self, arguments, false));
}
Value rindex(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return found(rendering, position(rendering, self, arguments, true));
}

Value count(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::string_view needle = text_argument(rendering, arguments.positional[0], "");
    std::optional<Window> range = window(rendering, self.text(), arguments.positional[1], arguments.positional[2]);
    if (!range || !rendering.spend_on_text(self.text().size())) return Value::integer(0);
    std::string_view text = self.text().substr(range->begin, range->end - range->begin);
    if (needle.empty()) return Value::integer(static_cast<Integer>(count_code_points(text)) + 1);
    Integer times = 0;
    for (size_t at = text.find(needle); at != text.npos; at = text.find(needle, at + needle.size())) ++times;
    return Value::integer(times);
}

// Whether the text starts (ends) with arguments[0], a string or a tuple of strings.
Value has_affix(Rendering& rendering, const Value& self, const Arguments& arguments, bool is_prefix) {
    std::optional<Window> range = window(rendering, self.text(), arguments.positional[1], arguments.positional[2]);
    const Value& affix = arguments.positional[0];
    std::span<const Value> choices = affix.is(Kind::tuple) ? affix.items() : std::span(&affix, 1);
    if (!range) return Value::boolean(false);
    std::string_view text = self.text().substr(range->begin, range->end - range->begin);
    for (const Value& choice : choices) {
        if (!choice.is(Kind::string))
            return rendering.fail(ErrorClass::type, "{} first arg must be str or a tuple of str, not {}",
                                  is_prefix ? "startswith" : "endswith", type_name(choice));
        if (!rendering.spend_on_text(choice.text().size())) break;
        if (is_prefix ? text.starts_with(choice.text()) : text.ends_with(choice.text())) return Value::boolean(true);
    }
    return Value::boolean(false);
}
Value starts_with(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return has_affix(rendering, self, arguments, true);
}
Value ends_with(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return has_affix(rendering, self, arguments, false);
}

Value strings(Rendering& rendering, const Value& self, const std::vector<std::string_view>& pieces) {
    if (!rendering.admit_values(pieces.size())) return rendering.nothing();
    std::span<Value> items = rendering.heap().array<Value>(pieces.size());
    for (size_t i = 0; i < pieces.size(); ++i) items[i] = Value::string(pieces[i], self.is_markup());
    return Value::list(items);
}

Value split_from(Rendering& rendering, const Value& self, const Arguments& arguments, bool from_right) {
    Integer limit = integer_argument(rendering, arguments.positional[1], -1);
    size_t most = limit < 0 ? std::string_view::npos : static_cast<size_t>(std::min<Integer>(limit, Integer{1} << 40));
    if (!rendering.spend_on_text(self.text().size())) return rendering.nothing();
    if (is_absent(arguments.positional[0]))
        return strings(rendering, self, split_blanks(self.text(), most, from_right));
    std::string_view separator = text_argument(rendering, arguments.positional[0], " ");
    if (separator.empty()) return rendering.fail(ErrorClass::value, "empty separator");
    return strings(rendering, self, split_text(self.text(), separator, most, from_right));
}
Value split(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return split_from(rendering, self, arguments, false);
}
Value rsplit(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return split_from(rendering, self, arguments, true);
}

Value split_lines_method(Rendering& rendering, const Value& self, const Arguments& arguments) {
    if (!rendering.spend_on_text(self.text().size())) return rendering.nothing();
    return strings(rendering, self, split_lines(self.text(), truth_argument(arguments.positional[0], false)));
}

Value partition_from(Rendering& rendering, const Value& self, const Arguments& arguments, bool from_right) {
    std::string_view text = self.text(), separator = text_argument(rendering, arguments.positional[0], " ");
    if (separator.empty()) return rendering.fail(ErrorClass::value, "empty separator");
    if (!rendering.spend_on_text(text.size())) return rendering.nothing();
    size_t at = from_right ? text.rfind(separator) : text.find(separator);
    std::array<std::string_view, 3> parts = {text, "", ""};
    if (at == text.npos && from_right) parts = {"", "", text};
    if (at != text.npos) parts = {text.substr(0, at), separator, text.substr(at + separator.size())};
    std::vector<Value> items;
    for (std::string_view part : parts) items.push_back(Value::string(part, self.is_markup()));
    return rendering.tuple(items);
}
Value partition(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return partition_from(rendering, self, arguments, false);
}
Value rpartition(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return partition_from(rendering, self, arguments, true);
}

Value replace(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::string_view from = text_argument(rendering, arguments.positional[0], "");
    std::string_view to = text_argument(rendering, arguments.positional[1], "");
    if (self.is_markup()) to = escaped(rendering, arguments.positional[1]);
    Integer times = integer_argument(rendering, arguments.positional[2], -1);
    return replace_text(rendering, self.text(), from, to, times, self.is_markup());
}

Value join(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::string out;
    std::vector<Value> items = elements(rendering, arguments.positional[0]);
    for (size_t i = 0; i < items.size(); ++i) {
        if (!items[i].is(Kind::string) && !self.is_markup())
            return rendering.fail(ErrorClass::type, "sequence item {}: expected str instance, {} found", i,
                                  type_name(items[i]));
        std::string_view piece = self.is_markup() ? escaped(rendering, items[i]) : items[i].text();
        if (!rendering.admit_append(out.size(), piece.size() + self.text().size())) return rendering.nothing();
        if (i > 0) out += self.text();
        out += piece;
    }
    return rendering.text(out, self.is_markup());
}

Value remove_prefix(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::string_view prefix = text_argument(rendering, arguments.positional[0], ""), text = self.text();
    return Value::string(text.starts_with(prefix) ? text.substr(prefix.size()) : text, self.is_markup());
}
Value remove_suffix(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::string_view suffix = text_argument(rendering, arguments.positional[0], ""), text = self.text();
    return Value::string(text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text, self.is_markup());
}

constexpr Native kMethods[] = {
    {"count", {"sub", "start", "end"}, 1, count},
    {"endswith", {"suffix", "start", "end"}, 1, ends_with},
    {"find", {"sub", "start", "end"}, 1, find},
    {"index", {"sub", "start", "end"}, 1, index},
    {"join", {"iterable"}, 1, join},
    {"partition", {"sep"}, 1, partition},
    {"removeprefix", {"prefix"}, 1, remove_prefix},
    {"removesuffix", {"suffix"}, 1, remove_suffix},
    {"replace", {"old", "new", "count"}, 2, replace},
    {"rfind", {"sub", "start", "end"}, 1, rfind},
    {"rindex", {"sub", "start", "end"}, 1, rindex},
    {"rpartition", {"sep"}, 1, rpartition},
    {"rsplit", {"sep", "maxsplit"}, 0, rsplit},
    {"split", {"sep", "maxsplit"}, 0, split},
    {"splitlines", {"keepends"}, 0, split_lines_method},
    {"startswith", {"prefix", "start", "end"}, 1, starts_with},
};

}  // namespace

std::span<const Native> string_search_methods() {
    return kMethods;
}

}  // namespace hone::text::chat
