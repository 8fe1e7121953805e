// Methods of str that give the text another shape: case, blanks around it, padding, values filled in.
#include "text/chat/method_table.h"
#include "text/chat/native.h"
#include "text/chat/number_format.h"
#include "text/chat/percent_format.h"
#include "text/chat/python_text.h"
#include "text/chat/text_splitting.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

template <std::string (*change)(std::string_view)>
Value change_case(Rendering& rendering, const Value& self, const Arguments&) {
    // Case mappings make a text at most three times as long.
    if (!rendering.admit_text(3 * self.text().size())) return rendering.nothing();
    return rendering.text(change(self.text()), self.is_markup());
}

template <bool at_left, bool at_right>
Value strip_ends(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::string_view text = self.text();
    if (!rendering.spend_on_text(text.size())) return rendering.nothing();
    if (is_absent(arguments.positional[0])) {
        if (at_left) text = strip_left(text);
        if (at_right) text = strip_right(text);
    } else {
        std::string_view characters = text_argument(rendering, arguments.positional[0], "");
        if (!rendering.spend(1 + characters.size() / 64 * text.size())) return rendering.nothing();
        text = strip_characters(text, characters, at_left, at_right);
    }
    return Value::string(text, self.is_markup());
}

// To width arguments[0] with the filling arguments[1].
Value pad_text(Rendering& rendering, const Value& self, const Arguments& arguments, char align) {
    Integer width = integer_argument(rendering, arguments.positional[0], 0);
    FormatSpec spec;
    spec.fill = text_argument(rendering, arguments.positional[1], " ");
    if (count_code_points(spec.fill) != 1)
        return rendering.fail(ErrorClass::type, "The fill character must be exactly one character long");
    spec.width = width < 0 ? 0 : static_cast<size_t>(std::min<Integer>(width, Integer{1} << 40));
    size_t size = count_code_points(self.text());
    if (align != '^' || spec.width <= size)
        return rendering.text(pad(rendering, "", self.text(), spec, align), self.is_markup());
    // str.center puts the odd blank on the left only if the width is odd.
    size_t missing = spec.width - size, left = missing / 2 + (missing & spec.width & 1);
    spec.width = size + left;
    std::string out = pad(rendering, "", self.text(), spec, '>');
    spec.width = size + missing;
    return rendering.text(pad(rendering, "", out, spec, '<'), self.is_markup());
}
Value center(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return pad_text(rendering, self, arguments, '^');
}
Value left_justify(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return pad_text(rendering, self, arguments, '<');
}
Value right_justify(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return pad_text(rendering, self, arguments, '>');
}

Value fill_zeros(Rendering& rendering, const Value& self, const Arguments& arguments) {
    Integer width = integer_argument(rendering, arguments.positional[0], 0);
    FormatSpec spec;
    spec.fill = "0";
    spec.width = width < 0 ? 0 : static_cast<size_t>(std::min<Integer>(width, Integer{1} << 40));
    bool has_sign = self.text().starts_with('-') || self.text().starts_with('+');
    std::string_view sign = self.text().substr(0, has_sign ? 1 : 0);
    return rendering.text(pad(rendering, sign, self.text().substr(sign.size()), spec, '='), self.is_markup());
}

Value expand_tabs(Rendering& rendering, const Value& self, const Arguments& arguments) {
    Integer tab_size = integer_argument(rendering, arguments.positional[0], 8);
    if (tab_size > 1000) return rendering.fail(ErrorClass::overflow, "tab size too large");
    std::string out;
    size_t column = 0;
    for (char c : self.text()) {
        size_t blanks =
            c == '\t' && tab_size > 0 ? static_cast<size_t>(tab_size) - column % static_cast<size_t>(tab_size) : 0;
        if (c == '\t') {
            if (!rendering.admit_append(out.size(), blanks)) return rendering.nothing();
            out.append(blanks, ' ');
            column += blanks;
            continue;
        }
        out += c;
        if (c == '\n' || c == '\r')
            column = 0;
        else
            column += (c & 0xC0) != 0x80;
    }
    return rendering.text(out, self.is_markup());
}

Value format(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return brace_format(rendering, self, arguments);
}

Value format_map(Rendering& rendering, const Value& self, const Arguments& arguments) {
    const Value& mapping = arguments.positional[0];
    if (!mapping.is(Kind::dict)) return rendering.fail(ErrorClass::type, "format_map() takes a mapping");
    std::vector<Keyword> keyword;
    for (const Entry& entry : mapping.dict().entries)
        if (entry.key.is(Kind::string)) keyword.push_back({entry.key.text(), entry.value});
    return brace_format(rendering, self, {.keyword = keyword});
}

constexpr Native kMethods[] = {
    {"capitalize", {}, 0, change_case<capitalize>},
    {"casefold", {}, 0, change_case<fold_case>},
    {"center", {"width", "fillchar"}, 1, center},
    {"expandtabs", {"tabsize"}, 0, expand_tabs},
    {"format", {}, 0, format, true},
    {"format_map", {"mapping"}, 1, format_map},
    {"ljust", {"width", "fillchar"}, 1, left_justify},
    {"lower", {}, 0, change_case<to_lower>},
    {"lstrip", {"chars"}, 0, strip_ends<true, false>},
    {"rjust", {"width", "fillchar"}, 1, right_justify},
    {"rstrip", {"chars"}, 0, strip_ends<false, true>},
    {"strip", {"chars"}, 0, strip_ends<true, true>},
    {"swapcase", {}, 0, change_case<swap_case>},
    {"title", {}, 0, change_case<to_title>},
    {"upper", {}, 0, change_case<to_upper>},
    {"zfill", {"width"}, 1, fill_zeros},
};

}  // namespace

std::span<const Native> string_shape_methods() {
    return kMethods;
}

}  // namespace hone::text::chat
