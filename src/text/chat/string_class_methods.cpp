// Methods of str that ask what kind of characters the text has.
#include <unicode/uchar.h>

#include "text/chat/method_table.h"
#include "text/chat/native.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

int numeric_type(UChar32 c) {
    return u_getIntPropertyValue(c, UCHAR_NUMERIC_TYPE);
}
bool is_alphabetic(UChar32 c) {
    return u_isalpha(c);
}
bool is_decimal(UChar32 c) {
    return numeric_type(c) == U_NT_DECIMAL;
}
bool is_digit(UChar32 c) {
    return is_decimal(c) || numeric_type(c) == U_NT_DIGIT;
}
bool is_numeric(UChar32 c) {
    return numeric_type(c) != U_NT_NONE;
}
bool is_alphanumeric(UChar32 c) {
    return is_alphabetic(c) || is_numeric(c);
}
bool is_blank(UChar32 c) {
    return is_space(static_cast<char32_t>(c));
}

// Whether the text is not empty and all its characters are of the class.
template <bool (*is_member)(UChar32)>
Value are_all(Rendering& rendering, const Value& self, const Arguments&) {
    if (!rendering.spend_on_text(self.text().size())) return rendering.nothing();
    bool all = !self.text().empty();
    for (size_t at = 0; all && at < self.text().size();)
        all = is_member(static_cast<UChar32>(next_code_point(self.text(), at)));
    return Value::boolean(all);
}

Value are_printable(Rendering& rendering, const Value& self, const Arguments&) {
    if (!rendering.spend_on_text(self.text().size())) return rendering.nothing();
    bool all = true;
    for (size_t at = 0; all && at < self.text().size();) all = is_printable(next_code_point(self.text(), at));
    return Value::boolean(all);
}

// Whether there are cased characters and all of them have this property.
template <UProperty wanted, UProperty forbidden>
Value have_case(Rendering& rendering, const Value& self, const Arguments&) {
    if (!rendering.spend_on_text(self.text().size())) return rendering.nothing();
    bool any = false;
    for (size_t at = 0; at < self.text().size();) {
        auto c = static_cast<UChar32>(next_code_point(self.text(), at));
        if (u_hasBinaryProperty(c, forbidden) || u_istitle(c)) return Value::boolean(false);
        any |= u_hasBinaryProperty(c, wanted) != 0;
    }
    return Value::boolean(any);
}

Value are_titles(Rendering& rendering, const Value& self, const Arguments&) {
    if (!rendering.spend_on_text(self.text().size())) return rendering.nothing();
    bool any = false, previous_is_cased = false;
    for (size_t at = 0; at < self.text().size();) {
        auto c = static_cast<UChar32>(next_code_point(self.text(), at));
        bool is_upper = u_hasBinaryProperty(c, UCHAR_UPPERCASE) || u_istitle(c);
        bool is_lower = u_hasBinaryProperty(c, UCHAR_LOWERCASE);
        if ((is_upper && previous_is_cased) || (is_lower && !previous_is_cased)) return Value::boolean(false);
        previous_is_cased = is_upper || is_lower;
        any |= previous_is_cased;
    }
    return Value::boolean(any);
}

Value are_ascii(Rendering&, const Value& self, const Arguments&) {
    return Value::boolean(is_ascii(self.text()));
}

Value are_identifier(Rendering&, const Value& self, const Arguments&) {
    return Value::boolean(is_identifier(self.text()));
}

constexpr Native kMethods[] = {
    {"isalnum", {}, 0, are_all<is_alphanumeric>},
    {"isalpha", {}, 0, are_all<is_alphabetic>},
    {"isascii", {}, 0, are_ascii},
    {"isdecimal", {}, 0, are_all<is_decimal>},
    {"isdigit", {}, 0, are_all<is_digit>},
    {"isidentifier", {}, 0, are_identifier},
    {"islower", {}, 0, have_case<UCHAR_LOWERCASE, UCHAR_UPPERCASE>},
    {"isnumeric", {}, 0, are_all<is_numeric>},
    {"isprintable", {}, 0, are_printable},
    {"isspace", {}, 0, are_all<is_blank>},
    {"istitle", {}, 0, are_titles},
    {"isupper", {}, 0, have_case<UCHAR_UPPERCASE, UCHAR_LOWERCASE>},
};

}  // namespace

std::span<const Native> string_class_methods() {
    return kMethods;
}

}  // namespace hone::text::chat
