#include "text/grammar/number_ranges.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hone::text {

constexpr size_t kMostIntegerDigits = 18, kMostFractionDigits = 30;

static std::strong_ordering compare_magnitudes(const Decimal& a, const Decimal& b) {
    if (a.integer.size() != b.integer.size()) return a.integer.size() <=> b.integer.size();
    if (const int order = a.integer.compare(b.integer); order != 0) return order <=> 0;
    return a.fraction.compare(b.fraction) <=> 0;
}

std::strong_ordering Decimal::operator<=>(const Decimal& other) const {
    const bool minus = negative && !is_zero(), other_minus = other.negative && !other.is_zero();
    if (minus != other_minus) return minus ? std::strong_ordering::less : std::strong_ordering::greater;
    return minus ? compare_magnitudes(other, *this) : compare_magnitudes(*this, other);
}

std::optional<Decimal> decimal_of(const boost::json::value& value) {
    std::string text;
    if (value.is_int64()) {
        text = std::to_string(value.get_int64());
    } else if (value.is_uint64()) {
        text = std::to_string(value.get_uint64());
    } else if (value.is_double() && std::abs(value.get_double()) < 1e19) {
        char buffer[400];
        const auto end =
            std::to_chars(buffer, buffer + sizeof(buffer), value.get_double(), std::chars_format::fixed).ptr;
        text.assign(buffer, end);
    } else {
        return std::nullopt;
    }
    Decimal decimal;
    decimal.negative = text.starts_with('-');
    if (decimal.negative) text.erase(0, 1);
    const size_t point = std::min(text.find('.'), text.size());
    decimal.integer = text.substr(0, point);
    if (point < text.size()) decimal.fraction = text.substr(point + 1);
    while (decimal.fraction.ends_with('0')) decimal.fraction.pop_back();
    if (decimal.integer.size() > kMostIntegerDigits || decimal.fraction.size() > kMostFractionDigits)
        return std::nullopt;
    if (decimal.is_zero()) decimal.negative = false;
    return decimal;
}

namespace {

using Bound = std::optional<NumberBound>;

Expression digit(GrammarBuilder& b, char low, char high) {
    return b.bytes(static_cast<unsigned char>(low), static_cast<unsigned char>(high));
}

Expression digits(GrammarBuilder& b, size_t least, size_t most) {
    return b.repeat(digit(b, '0', '9'), static_cast<uint32_t>(least), static_cast<uint32_t>(most));
}

// Digit strings of one length from `low` to `high`.
Expression digits_between(GrammarBuilder& b, std::string_view low, std::string_view high) {
    size_t same = 0;
    while (same < low.size() && low[same] == high[same]) same++;
    const Expression prefix = b.literal(low.substr(0, same));
    if (same == low.size()) return prefix;
    const size_t rest = low.size() - same - 1;
    const std::string nines(rest, '9'), zeros(rest, '0');
    std::vector<Expression> ways;
    char first = low[same], last = high[same];
    if (low.substr(same + 1) != zeros) {
        ways.push_back(b.sequence({b.literal(low.substr(same, 1)), digits_between(b, low.substr(same + 1), nines)}));
        first++;
    }
    if (high.substr(same + 1) != nines) {
        ways.push_back(b.sequence({b.literal(high.substr(same, 1)), digits_between(b, zeros, high.substr(same + 1))}));
        last--;
    }
    if (first <= last) ways.push_back(b.sequence({digit(b, first, last), digits(b, rest, rest)}));
    return b.sequence({prefix, b.choice(std::move(ways))});
}

// Integers from low to high, neither negative, written without sign.
Expression naturals(GrammarBuilder& b, uint64_t low, uint64_t high) {
    std::vector<Expression> ways;
    for (size_t length = 1; low <= high; length++) {
        const std::string nines(length, '9');
        const uint64_t last = std::min<uint64_t>(high, std::stoull(nines));
        if (last < low) continue;
        ways.push_back(digits_between(b, std::to_string(low), std::to_string(last)));
        if (last == high) break;
        low = last + 1;
    }
    return b.choice(std::move(ways));
}

uint64_t widest(const Bound& bound) {
    const bool is_large = bound && bound->value.integer.size() >= kMostDigits;
    return std::stoull(std::string(is_large ? kMostIntegerDigits : kMostDigits, '9'));
}

// The least magnitude of an integer not below (above) a bound, whose sign is the magnitude's.
uint64_t magnitude_from(const NumberBound& bound) {
    const bool beyond = !bound.value.fraction.empty() || bound.exclusive;
    return std::stoull(bound.value.integer) + (beyond ? 1 : 0);
}
// The largest; nothing if there is none.
std::optional<uint64_t> magnitude_to(const NumberBound& bound) {
    const uint64_t integer = std::stoull(bound.value.integer);
    if (!bound.exclusive || !bound.value.fraction.empty()) return integer;
    return integer > 0 ? std::optional(integer - 1) : std::nullopt;
}

Bound mirrored(Bound bound) {
    if (bound && !bound->value.is_zero()) bound->value.negative = !bound->value.negative;
    return bound;
}

// Integers above 0 inside the bounds, without sign.
Expression positive_integers(GrammarBuilder& b, const Bound& low, const Bound& high) {
    if (high && (high->value.negative || high->value.is_zero())) return b.nothing();
    const uint64_t from = low && !low->value.negative ? std::max<uint64_t>(magnitude_from(*low), 1) : 1;
    const auto to = high ? magnitude_to(*high) : widest(low);
    return to && from <= *to ? naturals(b, from, *to) : b.nothing();
}

bool contains_zero(const Bound& low, const Bound& high) {
    const Decimal zero;
    return !(low && (low->value > zero || (low->value == zero && low->exclusive))) &&
           !(high && (high->value < zero || (high->value == zero && high->exclusive)));
}

// Digits behind the point (none at all is 0.) that are more, or at least, `bound`.
Expression fraction_from(GrammarBuilder& b, std::string_view bound, bool exclusive) {
    const size_t more = std::max<size_t>(kMostDigits, bound.size());
    const Expression any = digits(b, 0, more);
    std::vector<Expression> ways;
    for (size_t i = 0; i < bound.size(); i++) {
        if (bound[i] == '9') continue;
        ways.push_back(b.sequence(
            {b.literal("."), b.literal(bound.substr(0, i)), digit(b, static_cast<char>(bound[i] + 1), '9'), any}));
    }
    // Behind the bound's own digits: some that is not zero, or anything.
    const Expression point = b.sequence({b.literal("."), b.literal(bound)});
    if (exclusive) {
        const Expression zeros = b.repeat(b.literal("0"), 0, static_cast<uint32_t>(more));
        ways.push_back(b.sequence({point, zeros, digit(b, '1', '9'), any}));
    } else {
        ways.push_back(bound.empty() ? b.sequence({b.literal("."), digits(b, 1, more)}) : b.sequence({point, any}));
        if (bound.empty()) ways.push_back(b.empty());
    }
    return b.choice(std::move(ways));
}

Expression fraction_to(GrammarBuilder& b, std::string_view bound, bool exclusive) {
    const size_t more = std::max<size_t>(kMostDigits, bound.size());
    const Expression zeros = b.repeat(b.literal("0"), 0, static_cast<uint32_t>(more));
    std::vector<Expression> ways;
    for (size_t i = 0; i < bound.size(); i++) {
        const Expression prefix = b.literal(bound.substr(0, i));
        ways.push_back(i == 0 ? b.empty() : b.sequence({b.literal("."), prefix}));
        if (bound[i] == '0') continue;
        ways.push_back(
            b.sequence({b.literal("."), prefix, digit(b, '0', static_cast<char>(bound[i] - 1)), digits(b, 0, more)}));
    }
    if (!exclusive) {
        ways.push_back(bound.empty() ? b.empty() : b.sequence({b.literal("."), b.literal(bound), zeros}));
        if (bound.empty()) {
            ways.push_back(b.sequence({b.literal("."), b.repeat(b.literal("0"), 1, static_cast<uint32_t>(more))}));
        }
    }
    return b.choice(std::move(ways));
}

// Numbers not below 0 inside the bounds, which are not negative, without sign and exponent.
Expression magnitudes(GrammarBuilder& b, const NumberBound& low, const Bound& high) {
    const uint64_t first = std::stoull(low.value.integer);
    const Expression any_fraction = fraction_from(b, "", false);
    const Expression from = fraction_from(b, low.value.fraction, low.exclusive);
    if (high && high->value.integer == low.value.integer) {
        const Expression to = fraction_to(b, high->value.fraction, high->exclusive);
        return b.sequence({b.literal(low.value.integer), b.both(from, to)});
    }
    std::vector<Expression> ways = {b.sequence({b.literal(low.value.integer), from})};
    uint64_t last = widest(low);
    if (high) {
        last = std::stoull(high->value.integer);
        if (last < first) return b.nothing();
        ways.push_back(
            b.sequence({b.literal(high->value.integer), fraction_to(b, high->value.fraction, high->exclusive)}));
        last--;
    }
    if (first + 1 <= last) ways.push_back(b.sequence({naturals(b, first + 1, last), any_fraction}));
    return b.choice(std::move(ways));
}

// Of the sign of the bounds' positive side; `with_zero` for the side that has it.
Expression numbers_of_side(GrammarBuilder& b, const Bound& low, const Bound& high, bool with_zero) {
    if (high && (high->value.negative || (high->value.is_zero() && (high->exclusive || !with_zero))))
        return b.nothing();
    NumberBound from = low.value_or(NumberBound{{}, !with_zero});
    if (from.value.negative) from = {{}, !with_zero};
    if (from.value.is_zero() && !with_zero) from.exclusive = true;
    return magnitudes(b, from, high);
}

}  // namespace

Expression integers(GrammarBuilder& builder, const Bound& low, const Bound& high) {
    std::vector<Expression> ways = {
        positive_integers(builder, low, high),
        builder.sequence({builder.literal("-"), positive_integers(builder, mirrored(high), mirrored(low))})};
    if (contains_zero(low, high)) ways.push_back(builder.literal("0"));
    return builder.choice(std::move(ways));
}

Expression numbers(GrammarBuilder& builder, const Bound& low, const Bound& high) {
    GrammarBuilder& b = builder;
    if (!low && !high) {
        const Expression integer =
            b.choice({b.literal("0"), b.sequence({digit(b, '1', '9'), digits(b, 0, kMostDigits - 1)})});
        const Expression fraction = b.sequence({b.literal("."), digits(b, 1, kMostDigits)});
        const Expression sign = b.choice({b.literal("+"), b.literal("-")});
        const Expression letter = b.choice({b.literal("e"), b.literal("E")});
        const Expression exponent = b.sequence({letter, b.optional(sign), digits(b, 1, 2)});
        return b.sequence({b.optional(b.literal("-")), integer, b.optional(fraction), b.optional(exponent)});
    }
    return b.choice({numbers_of_side(b, low, high, true),
                     b.sequence({b.literal("-"), numbers_of_side(b, mirrored(high), mirrored(low), false)})});
}

}  // namespace hone::text
