#include "text/chat/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/chat/control_tokens.h"
#include "text/chat/objects.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

std::string integer_text(Integer number) {
    char digits[44];
    char* end = digits + sizeof(digits);
    char* at = end;
    bool is_negative = number < 0;
    auto rest = is_negative ? -static_cast<unsigned __int128>(number) : static_cast<unsigned __int128>(number);
    do {
        *--at = static_cast<char>('0' + static_cast<int>(rest % 10));
        rest /= 10;
    } while (rest != 0);
    if (is_negative) *--at = '-';
    return {at, end};
}

std::string real_text(double number) {
    if (std::isnan(number)) return "nan";
    if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
    char buffer[40];
    char* end = std::to_chars(buffer, buffer + sizeof(buffer), number, std::chars_format::scientific).ptr;
    std::string_view text(buffer, end - buffer);  // -d.ddde+XX
    std::string sign = text[0] == '-' ? "-" : "";
    text.remove_prefix(sign.size());
    size_t e = text.find('e');
    int exponent = 0;
    std::string_view exponent_text = text.substr(e + (text[e + 1] == '+' ? 2 : 1));
    std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
    std::string digits(text.substr(0, 1));
    if (e > 2) digits += text.substr(2, e - 2);
    auto count = static_cast<int>(digits.size());
    if (exponent < -4 || exponent >= 16) {
        std::string mantissa = digits.substr(0, 1) + (count > 1 ? "." + digits.substr(1) : "");
        return fmt::format("{}{}e{}{:02}", sign, mantissa, exponent < 0 ? '-' : '+', std::abs(exponent));
    }
    if (exponent < 0) return sign + "0." + std::string(-exponent - 1, '0') + digits;
    if (count <= exponent + 1) return sign + digits + std::string(exponent + 1 - count, '0') + ".0";
    return sign + digits.substr(0, exponent + 1) + "." + digits.substr(exponent + 1);
}

namespace {

// Takes out underscores between digits; nothing if one stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '_') {
            out += text[at];
            continue;
        }
        bool is_inside = at > 0 && at + 1 < text.size() && is_word(static_cast<unsigned char>(text[at - 1])) &&
                         text[at - 1] != '_' && text[at + 1] != '_' &&
                         is_word(static_cast<unsigned char>(text[at + 1]));
        if (!is_inside) return {};
    }
    return out;
}

int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return 99;
}

// The base that a prefix such as 0x names, or 0.
int prefix_base(std::string_view text) {
    if (text.size() < 2 || text[0] != '0') return 0;
    switch (text[1]) {
        case 'x':
        case 'X':
            return 16;
        case 'o':
        case 'O':
            return 8;
        case 'b':
        case 'B':
            return 2;
        default:
            return 0;
    }
}

}  // namespace

std::optional<ParsedInteger> parse_integer(std::string_view text, int base) {
    text = strip(text);
    bool is_negative = false;
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
        is_negative = text[0] == '-';
        text.remove_prefix(1);
    }
    int prefix = prefix_base(text);
    if (prefix != 0 && (base == 0 || base == prefix)) {
        base = prefix;
        text.remove_prefix(2);
        if (!text.empty() && text[0] == '_') text.remove_prefix(1);
    } else if (base == 0) {
        base = 10;
        bool has_leading_zero = text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != text.npos;
        if (has_leading_zero) return {};
    }
    std::optional<std::string> digits = without_underscores(text);
    if (!digits || digits->empty()) return {};
    ParsedInteger parsed;
    for (char c : *digits) {
        int digit = digit_value(c);
        if (digit >= base) return {};
        parsed.is_too_large |= __builtin_mul_overflow(parsed.number, static_cast<Integer>(base), &parsed.number);
        parsed.is_too_large |= __builtin_add_overflow(parsed.number, static_cast<Integer>(digit), &parsed.number);
    }
    if (is_negative && !parsed.is_too_large) parsed.number = -parsed.number;
    return parsed;
}

std::optional<double> parse_real(std::string_view text) {
    std::optional<std::string> clean = without_underscores(strip(text));
    if (!clean || clean->empty()) return {};
    std::string_view rest = *clean;
    bool is_negative = rest[0] == '-';
    if (rest[0] == '-' || rest[0] == '+') rest.remove_prefix(1);
    if (rest.empty() || rest[0] == '-') return {};
    double number = 0;
    auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (end != rest.data() + rest.size()) return {};
    if (std::isnan(number) && rest.size() != 3) return {};  // nan(...) is C, not Python
    if (status == std::errc::result_out_of_range) {
        // Too large or too small: the sign of the exponent says which, as a text this long without one is large.
        size_t e = rest.find_first_of("eE");
        bool is_small =
            (e != rest.npos && e + 1 < rest.size() && rest[e + 1] == '-') || (e == rest.npos && rest[0] == '0');
        number = is_small ? 0.0 : HUGE_VAL;
    } else if (status != std::errc()) {
        return {};
    }
    return is_negative ? -number : number;
}

void append_quoted(std::string& out, std::string_view text) {
    bool has_single = text.find('\'') != text.npos;
    char quote = has_single && text.find('"') == text.npos ? '"' : '\'';
    out += quote;
    for (size_t at = 0; at < text.size();) {
        size_t start = at;
        char32_t c = next_code_point(text, at);
        if (c == static_cast<char32_t>(quote) || c == '\\')
            (out += '\\') += static_cast<char>(c);
        else if (c == '\n')
            out += "\\n";
        else if (c == '\r')
            out += "\\r";
        else if (c == '\t')
            out += "\\t";
        else if (is_printable(c) || is_control_mark(c))
            out += text.substr(start, at - start);
        else if (c < 0x100)
            out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
        else if (c < 0x10000)
            out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
        else
            out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
    out += quote;
}

std::string python_quoted(std::string_view text) {
    std::string out;
    append_quoted(out, text);
    return out;
}

namespace {

bool append_items(Rendering& rendering, std::string& out, std::span<const Value> items) {
    for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out += ", ";
        if (!append_repr(rendering, out, items[i])) return false;
    }
    return true;
}

bool append_entries(Rendering& rendering, std::string& out, std::span<const Entry> entries) {
    out += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
        if (i > 0) out += ", ";
        if (!append_repr(rendering, out, entries[i].key)) return false;
        out += ": ";
        if (!append_repr(rendering, out, entries[i].value)) return false;
    }
    out += '}';
    return true;
}

bool append_view(Rendering& rendering, std::string& out, const DictView& view) {
    bool is_items = view.part == DictView::Part::items;
    out += view.part == DictView::Part::keys ? "dict_keys([" : is_items ? "dict_items([" : "dict_values([";
    bool is_first = true;
    for (const Entry& entry : view.dict->entries) {
        if (!is_first) out += ", ";
        is_first = false;
        if (is_items) out += '(';
        if (view.part != DictView::Part::values && !append_repr(rendering, out, entry.key)) return false;
        if (is_items) out += ", ";
        if (view.part != DictView::Part::keys && !append_repr(rendering, out, entry.value)) return false;
        if (is_items) out += ')';
    }
    out += "])";
    return true;
}

std::string range_text(const Range& range) {
    std::string step = range.step == 1 ? "" : ", " + integer_text(range.step);
    return fmt::format("range({}, {}{})", integer_text(range.start), integer_text(range.stop), step);
}

bool append_container(Rendering& rendering, std::string& out, const Value& value) {
    Deeper level(rendering);
    if (!level.is_allowed()) return false;
    bool is_single = value.is(Kind::tuple) && value.items().size() == 1;
    switch (value.kind()) {
        case Kind::list:
            out += '[';
            return append_items(rendering, out, value.items()) && (out += ']', true);
        case Kind::tuple:
            out += '(';
            return append_items(rendering, out, value.items()) && (out += is_single ? ",)" : ")", true);
        case Kind::dict:
            return append_entries(rendering, out, value.dict().entries);
        case Kind::view:
            return append_view(rendering, out, *value.object<DictView>());
        default: {
            auto* space = value.object<Namespace>();
            out += "<Namespace ";
            return append_entries(rendering, out, space->entries.first(space->size)) && (out += '>', true);
        }
    }
}

}  // namespace

bool append_repr(Rendering& rendering, std::string& out, const Value& value) {
    if (value.is(Kind::undefined)) return out += "Undefined", rendering.spend();
    if (!value.is(Kind::string)) return append_str(rendering, out, value);
    if (!rendering.admit_append(out.size(), value.text().size())) return false;
    if (!value.is_markup()) return append_quoted(out, value.text()), true;
    out += "Markup(";
    append_quoted(out, value.text());
    out += ')';
    return true;
}

bool append_str(Rendering& rendering, std::string& out, const Value& value) {
    if (!rendering.admit_append(out.size(), 1)) return false;
    switch (value.kind()) {
        case Kind::missing:
        case Kind::undefined:
            break;
        case Kind::none:
            out += "None";
            break;
        case Kind::boolean:
            out += value.truth() ? "True" : "False";
            break;
        case Kind::integer:
            out += integer_text(value.integer());
            break;
        case Kind::real:
            out += real_text(value.real());
            break;
        case Kind::string:
            if (!rendering.admit_append(out.size(), value.text().size())) return false;
            out += value.text();
            break;
        case Kind::list:
        case Kind::tuple:
        case Kind::dict:
        case Kind::view:
        case Kind::name_space:
            return append_container(rendering, out, value);
        case Kind::range:
            out += range_text(value.range());
            break;
        default:
            out += object_text(rendering, value);
            break;
    }
    return true;
}

std::string_view to_str(Rendering& rendering, const Value& value) {
    if (value.is(Kind::string)) return value.text();
    std::string out;
    if (!append_str(rendering, out, value)) return {};
    return rendering.heap().copy(out);
}

std::string to_repr(Rendering& rendering, const Value& value) {
    std::string out;
    append_repr(rendering, out, value);
    return out;
}

}  // namespace hone::text::chat
