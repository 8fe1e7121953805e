#include "text/chat/number_format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "text/chat/operators.h"
#include "text/chat/python_text.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

constexpr size_t kGreatestPrecision = 5000;

std::string based_digits(Integer number, int base, bool is_upper) {
    const std::string_view digits = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    auto rest = number < 0 ? -static_cast<unsigned __int128>(number) : static_cast<unsigned __int128>(number);
    std::string out;
    do {
        const auto digit = static_cast<size_t>(rest % static_cast<unsigned>(base));
        out += digits[digit];
        rest /= static_cast<unsigned>(base);
    } while (rest != 0);
    std::reverse(out.begin(), out.end());
    return out;
}

std::string sign_text(bool is_negative, char sign) {
    if (is_negative) return "-";
    return sign == '-' ? "" : std::string(1, sign);
}

// 1234567 to 1,234,567; groups of four for other bases.
std::string group_digits(std::string_view digits, char separator, size_t group) {
    if (separator == '\0') return std::string(digits);
    std::string out;
    for (size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % group == 0) out += separator;
        out += digits[i];
    }
    return out;
}

// Digits of a finite magnitude as printf writes them.
std::string printf_real(double magnitude, char type, size_t precision, bool is_alternate) {
    char format[] = {'%', '#', '.', '*', type, '\0'};
    if (!is_alternate) {
        const char plain[] = {'%', '.', '*', type, '\0'};
        std::copy(std::begin(plain), std::end(plain), format);
    }
    auto digits = static_cast<int>(precision);
    int size = std::snprintf(nullptr, 0, format, digits, magnitude);
    std::string out(size + 1, '\0');
    std::snprintf(out.data(), out.size(), format, digits, magnitude);
    out.pop_back();
    return out;
}

std::string real_digits(double magnitude, const FormatSpec& spec) {
    bool is_upper = spec.type == 'E' || spec.type == 'F' || spec.type == 'G';
    if (!std::isfinite(magnitude)) {
        std::string text = std::isnan(magnitude) ? "nan" : "inf";
        return is_upper ? to_upper(text) : text;
    }
    size_t precision = spec.precision.value_or(6);
    switch (spec.type) {
        case '%':
            return printf_real(magnitude * 100, 'f', precision, spec.is_alternate) + "%";
        case 'n':
            return printf_real(magnitude, 'g', precision, spec.is_alternate);
        case '\0': {
            if (!spec.precision) return real_text(magnitude);
            std::string text = printf_real(magnitude, 'g', precision, spec.is_alternate);
            return text.find_first_of(".e") == text.npos ? text + ".0" : text;
        }
        default:
            return printf_real(magnitude, spec.type, precision, spec.is_alternate);
    }
}

}  // namespace

std::string pad(Rendering& rendering, std::string_view prefix, std::string_view text, const FormatSpec& spec,
                char own_align) {
    size_t size = count_code_points(prefix) + count_code_points(text);
    if (spec.width <= size) return std::string(prefix).append(text);
    size_t missing = spec.width - size;
    // A width beyond the limit counts as one past it: the product cannot overflow.
    if (!rendering.admit_text(std::min(missing, rendering.limits().text_bytes + 1) * spec.fill.size())) return {};
    char align = spec.align != '\0' ? spec.align : own_align;
    size_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    auto filling = [&](size_t count) {
        std::string out;
        for (size_t i = 0; i < count; ++i) out += spec.fill;
        return out;
    };
    std::string head = align == '=' ? std::string(prefix) + filling(before) : filling(before) + std::string(prefix);
    return head.append(text) + filling(missing - before);
}

std::string format_integer(Rendering& rendering, Integer number, const FormatSpec& spec) {
    if (spec.type == 'c') {
        std::string character;
        bool is_character = number >= 0 && number < 0x110000 && (number < 0xD800 || number > 0xDFFF);
        if (!is_character)
            rendering.fail(ErrorClass::overflow, "%c arg not in range(0x110000)");
        else
            append_utf8(character, static_cast<char32_t>(number));
        return pad(rendering, "", character, spec, '<');
    }
    bool is_hex = spec.type == 'x' || spec.type == 'X';
    int base = is_hex ? 16 : spec.type == 'o' ? 8 : spec.type == 'b' ? 2 : 10;
    std::string digits =
        base == 10 ? integer_text(number < 0 ? -number : number) : based_digits(number, base, spec.type == 'X');
    if (digits.starts_with('-')) digits.erase(0, 1);
    if (spec.precision && *spec.precision > kGreatestPrecision)
        return rendering.fail(ErrorClass::value, "precision too big"), "";
    if (spec.precision && digits.size() < *spec.precision) digits.insert(0, *spec.precision - digits.size(), '0');
    std::string prefix = sign_text(number < 0, spec.sign);
    if (spec.is_alternate && base != 10) (prefix += '0') += spec.type;
    return pad(rendering, prefix, group_digits(digits, spec.grouping, base == 10 ? 3 : 4), spec, '>');
}

std::string format_real(Rendering& rendering, double number, const FormatSpec& spec) {
    if (spec.precision.value_or(0) > kGreatestPrecision)
        return rendering.fail(ErrorClass::value, "precision too big"), "";
    bool is_negative = std::signbit(number) && !std::isnan(number);
    std::string digits = real_digits(std::abs(number), spec);
    size_t whole = digits.find_first_not_of("0123456789");
    if (spec.grouping != '\0' && whole != 0)
        digits = group_digits(digits.substr(0, whole), spec.grouping, 3) +
                 (whole == digits.npos ? "" : digits.substr(whole));
    return pad(rendering, sign_text(is_negative, spec.sign), digits, spec, '>');
}

namespace {

// [[fill]align][sign][#][0][width][grouping][.precision][type]; nothing if it is not one.
std::optional<FormatSpec> parse_spec(std::string_view text) {
    FormatSpec spec;
    auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    size_t first = text.empty() ? 0 : utf8_length(text[0]);
    if (first < text.size() && is_align(text[first])) {
        spec.fill = text.substr(0, first);
        spec.align = text[first];
        text.remove_prefix(first + 1);
    } else if (!text.empty() && is_align(text[0])) {
        spec.align = text[0];
        text.remove_prefix(1);
    }
    auto take = [&](std::string_view allowed) {
        if (text.empty() || allowed.find(text[0]) == allowed.npos) return '\0';
        char taken = text[0];
        text.remove_prefix(1);
        return taken;
    };
    auto take_number = [&]() -> std::optional<size_t> {
        size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
        if (end == 0 || end > 15) return {};
        auto number = static_cast<size_t>(parse_integer(text.substr(0, end))->number);
        text.remove_prefix(end);
        return number;
    };
    if (char sign = take("+- ")) spec.sign = sign;
    spec.is_alternate = take("#") != '\0';
    if (take("0") && spec.align == '\0') spec.fill = "0", spec.align = '=';
    spec.width = take_number().value_or(0);
    spec.grouping = take(",_");
    if (take(".")) {
        spec.precision = take_number();
        if (!spec.precision) return {};
    }
    spec.type = take("bcdeEfFgGnosxX%");
    if (!text.empty()) return {};
    return spec;
}

}  // namespace

std::string format_value(Rendering& rendering, const Value& value, std::string_view text) {
    if (text.empty()) return std::string(to_str(rendering, value));
    std::optional<FormatSpec> spec = parse_spec(text);
    if (!spec) return rendering.fail(ErrorClass::value, "Invalid format specifier"), "";
    bool is_text_type = spec->type == 's',
         is_integer_type = spec->type != '\0' && std::string_view("bcdoxX").find(spec->type) != std::string_view::npos;
    bool is_real_type = spec->type != '\0' && !is_text_type && !is_integer_type && spec->type != 'n';
    if (value.is(Kind::string)) {
        if (spec->type != '\0' && !is_text_type)
            return rendering.fail(ErrorClass::value, "Unknown format code '{}' for object of type 'str'", spec->type),
                   "";
        if (spec->align == '=') spec->align = '<';
        std::string_view shown = value.text();
        if (spec->precision) shown = shown.substr(0, byte_offset(shown, *spec->precision));
        return pad(rendering, "", shown, *spec, '<');
    }
    if (value.is_integral() && !is_real_type && !is_text_type) return format_integer(rendering, value.integer(), *spec);
    if (value.is_number() && !is_integer_type && !is_text_type) return format_real(rendering, as_real(value), *spec);
    if (value.is_number())
        return rendering.fail(ErrorClass::value, "Unknown format code '{}' for object of type '{}'", spec->type,
                              type_name(value)),
               "";
    return rendering.fail(ErrorClass::type, "unsupported format string passed to {}.__format__", type_name(value)), "";
}

}  // namespace hone::text::chat
