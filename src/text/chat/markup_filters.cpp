// Filters for other notations: HTML, URLs, JSON.
#include "text/chat/filters.h"
#include "text/chat/json_dump.h"
#include "text/chat/markup.h"
#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

namespace {

Value escape(Rendering& rendering, const Value& self, const Arguments&) {
    return Value::string(escaped(rendering, self), true);
}

Value force_escape(Rendering& rendering, const Value& self, const Arguments&) {
    std::string_view text = to_str(rendering, self);
    if (!rendering.admit_text(text.size())) return rendering.nothing();
    return rendering.text(escape_html(text), true);
}

Value safe(Rendering& rendering, const Value& self, const Arguments&) {
    return Value::string(to_str(rendering, self), true);
}

Value strip_tags_filter(Rendering& rendering, const Value& self, const Arguments&) {
    std::string_view text = to_str(rendering, self);
    if (!rendering.spend_on_text(text.size())) return rendering.nothing();
    return rendering.text(strip_tags(text));
}

Value xml_attributes(Rendering& rendering, const Value& self, const Arguments& arguments) {
    if (self.is(Kind::undefined)) return rendering.fail_undefined(self);
    if (!self.is(Kind::dict))
        return rendering.fail(ErrorClass::attribute, "'{}' object has no attribute 'items'", type_name(self));
    std::string out;
    for (const Entry& entry : self.dict().entries) {
        if (entry.value.is(Kind::none) || entry.value.is(Kind::undefined)) continue;
        std::string_view key = to_str(rendering, entry.key), value = escaped(rendering, entry.value);
        if (key.find_first_of(" \t\n\r\f\v/>=") != key.npos)
            return rendering.fail(ErrorClass::value, "Invalid character in attribute name: {}", python_quoted(key));
        if (!rendering.admit_append(out.size(), key.size() + value.size() + 4)) return rendering.nothing();
        out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : " ", escape_html(key), value);
    }
    if (truth_argument(arguments.positional[0], true) && !out.empty()) out.insert(out.begin(), ' ');
    return rendering.text(out, rendering.autoescape);
}

Value url_encode(Rendering& rendering, const Value& self, const Arguments&) {
    bool is_collection = self.is(Kind::dict) || self.is_sequence() || self.is(Kind::view) || self.is(Kind::iterator) ||
                         self.is(Kind::range);
    if (!is_collection) return rendering.text(quote_url(to_str(rendering, self), false));
    Value pairs =
        self.is(Kind::dict)
            ? Value::object(Kind::view, rendering.heap().make<DictView>(DictView{DictView::Part::items, &self.dict()}))
            : self;
    std::string out;
    for (const Value& element : elements(rendering, pairs)) {
        std::vector<Value> pair = elements(rendering, element);
        if (pair.size() != 2) return rendering.fail(ErrorClass::value, "a pair of {} values", pair.size());
        std::string_view key = to_str(rendering, pair[0]), value = to_str(rendering, pair[1]);
        if (!rendering.admit_append(out.size(), 3 * (key.size() + value.size()) + 2)) return rendering.nothing();
        out += fmt::format("{}{}={}", out.empty() ? "" : "&", quote_url(key, true), quote_url(value, true));
    }
    return rendering.text(out);
}

// One level's indentation for tojson; nothing if it failed.
std::optional<std::string> indentation(Rendering& rendering, const Value& indent) {
    if (indent.is(Kind::string)) return std::string(indent.text());
    Integer blanks = std::max<Integer>(integer_argument(rendering, indent, 0), 0);
    if (blanks > 1000) rendering.fail(ErrorClass::value, "an indentation of more than 1000 blanks");
    if (rendering.failed()) return {};
    return std::string(static_cast<size_t>(blanks), ' ');
}

Value to_json(Rendering& rendering, const Value& self, const Arguments& arguments) {
    const Value &indent = arguments.positional[1], &separators = arguments.positional[2];
    JsonStyle style;
    style.ensure_ascii = truth_argument(arguments.positional[0], false);
    style.sort_keys = truth_argument(arguments.positional[3], false);
    if (!is_absent(indent)) {
        style.indent = indentation(rendering, indent);
        style.item_separator = ",";
    }
    if (!is_absent(separators)) {
        std::vector<Value> pair = elements(rendering, separators);
        bool is_pair = pair.size() == 2 && pair[0].is(Kind::string) && pair[1].is(Kind::string);
        if (!is_pair) return rendering.fail(ErrorClass::type, "separators must be two strings");
        style.item_separator = pair[0].text();
        style.key_separator = pair[1].text();
    }
    std::string out;
    if (!append_json(rendering, out, self, style)) return rendering.nothing();
    return rendering.text(out);
}

constexpr Native kFilters[] = {
    {"e", {}, 0, escape},
    {"escape", {}, 0, escape},
    {"forceescape", {}, 0, force_escape},
    {"safe", {}, 0, safe},
    {"striptags", {}, 0, strip_tags_filter},
    {"tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}, 0, to_json},
    {"urlencode", {}, 0, url_encode},
    {"xmlattr", {"autospace"}, 0, xml_attributes},
};

}  // namespace

std::span<const Native> markup_filters() {
    return kFilters;
}

}  // namespace hone::text::chat
