// Filters that make or change numbers.
#include <cmath>

#include "text/chat/filters.h"
#include "text/chat/native.h"
#include "text/chat/operators.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

namespace {

Value absolute(Rendering& rendering, const Value& self, const Arguments&) {
    if (self.is(Kind::real)) return Value::real(std::abs(self.real()));
    if (self.is_integral()) return self.integer() < 0 ? negate(rendering, self) : Value::integer(self.integer());
    return rendering.fail(ErrorClass::type, "bad operand type for abs(): '{}'", type_name(self));
}

// int(number), cut towards zero; nothing for NaN, and a failure for what is too large.
std::optional<Value> truncated(Rendering& rendering, double number) {
    if (std::isnan(number)) return {};
    if (std::isinf(number) || std::abs(number) >= 0x1p126)
        return rendering.fail(ErrorClass::overflow, "cannot convert float {} to integer", real_text(number));
    return Value::integer(static_cast<Integer>(number));
}

Value to_integer(Rendering& rendering, const Value& self, const Arguments& arguments) {
    Value fallback = is_given(arguments.positional[0]) ? arguments.positional[0] : Value::integer(0);
    Integer base = integer_argument(rendering, arguments.positional[1], 10);
    if (self.is(Kind::undefined)) return rendering.fail_undefined(self);
    if (self.is_integral()) return Value::integer(self.integer());
    if (self.is(Kind::real))
        return std::isinf(self.real()) ? fallback : truncated(rendering, self.real()).value_or(fallback);
    if (!self.is(Kind::string)) return fallback;
    if (base != 0 && (base < 2 || base > 36)) return fallback;
    if (!rendering.spend_on_text(self.text().size())) return rendering.nothing();
    if (std::optional<ParsedInteger> parsed = parse_integer(self.text(), static_cast<int>(base))) {
        if (parsed->is_too_large) return rendering.fail(ErrorClass::overflow, "an integer beyond 127 bits");
        return Value::integer(parsed->number);
    }
    std::optional<double> number = parse_real(self.text());
    if (!number || std::isinf(*number)) return fallback;
    return truncated(rendering, *number).value_or(fallback);
}

Value to_real(Rendering& rendering, const Value& self, const Arguments& arguments) {
    Value fallback = is_given(arguments.positional[0]) ? arguments.positional[0] : Value::real(0);
    if (self.is(Kind::undefined)) return rendering.fail_undefined(self);
    if (self.is_number()) return Value::real(as_real(self));
    if (!self.is(Kind::string)) return fallback;
    std::optional<double> number = parse_real(self.text());
    return number ? Value::real(*number) : fallback;
}

// round(number, digits) of Python: half to even, and by the decimal digits of the exact binary value.
double round_decimal(double number, int digits) {
    if (!std::isfinite(number) || digits > 320) return number;
    if (digits < -310) return std::copysign(0.0, number);
    if (digits >= 0) return parse_real(fmt::format("{:.{}f}", number, digits)).value_or(number);
    double scale = std::pow(10.0, -digits);
    return std::nearbyint(number / scale) * scale;
}

Value round_integer(Rendering& rendering, Integer number, Integer digits) {
    if (digits >= 0) return Value::integer(number);
    if (digits < -38) return Value::integer(0);
    Integer scale = 1;
    for (Integer i = digits; i < 0; ++i) scale *= 10;
    Value rest = apply(rendering, BinaryOperator::modulo, Value::integer(number), Value::integer(scale));
    Integer down = number - rest.integer(), half = scale / 2;
    bool is_up = rest.integer() > half || (rest.integer() == half && (down / scale) % 2 != 0);
    return apply(rendering, BinaryOperator::add, Value::integer(down), Value::integer(is_up ? scale : 0));
}

Value round_filter(Rendering& rendering, const Value& self, const Arguments& arguments) {
    Integer digits = integer_argument(rendering, arguments.positional[0], 0);
    std::string_view method = text_argument(rendering, arguments.positional[1], "common");
    if (method != "common" && method != "ceil" && method != "floor")
        return rendering.fail(ErrorClass::filter_argument, "method must be common, ceil or floor");
    if (self.is(Kind::undefined) && method != "common") return rendering.fail_undefined(self);
    if (!self.is_number())
        return rendering.fail(ErrorClass::type, "type {} doesn't define __round__ method", type_name(self));
    digits = std::clamp<Integer>(digits, -400, 400);
    if (method == "common") {
        if (self.is_integral()) return round_integer(rendering, self.integer(), digits);
        return Value::real(round_decimal(self.real(), static_cast<int>(digits)));
    }
    double scale = std::pow(10.0, static_cast<double>(digits));
    double scaled = as_real(self) * scale;
    if (!std::isfinite(scaled) || scale == 0)
        return rendering.fail(ErrorClass::overflow, "cannot round to {} digits", integer_text(digits));
    double rounded = method == "ceil" ? std::ceil(scaled) : std::floor(scaled);
    return Value::real(rounded / scale);
}

Value file_size(Rendering& rendering, const Value& self, const Arguments& arguments) {
    if (self.is(Kind::undefined)) return rendering.fail_undefined(self);
    std::optional<double> size;
    if (self.is_number()) size = as_real(self);
    if (self.is(Kind::string)) size = parse_real(self.text());
    if (!self.is_number() && !self.is(Kind::string))
        return rendering.fail(ErrorClass::type, "float() argument must be a string or a real number, not '{}'",
                              type_name(self));
    if (!size || !std::isfinite(*size)) return rendering.fail(ErrorClass::value, "could not convert to float");
    bool is_binary = truth_argument(arguments.positional[0], false);
    double base = is_binary ? 1024 : 1000, unit = base;
    if (*size == 1) return Value::string("1 Byte");
    if (*size < base) return rendering.text(fmt::format("{:.0f} Bytes", std::trunc(*size)));
    constexpr std::string_view kPrefixes = "KMGTPEZY";
    size_t step = 0;
    for (; step + 1 < kPrefixes.size() && *size >= unit * base; ++step) unit *= base;
    char prefix = !is_binary && step == 0 ? 'k' : kPrefixes[step];
    return rendering.text(fmt::format("{:.1f} {}{}", *size / unit, prefix, is_binary ? "iB" : "B"));
}

constexpr Native kFilters[] = {
    {"abs", {}, 0, absolute},
    {"filesizeformat", {"binary"}, 0, file_size},
    {"float", {"default"}, 0, to_real},
    {"int", {"default", "base"}, 0, to_integer},
    {"round", {"precision", "method"}, 0, round_filter},
};

}  // namespace

std::span<const Native> number_filters() {
    return kFilters;
}

}  // namespace hone::text::chat
