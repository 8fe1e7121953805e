// JSON numbers between bounds as expressions, digit by digit and exact. Pure functions over a builder.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include <boost/json/value.hpp>

#include "text/grammar/grammar_builder.h"

namespace hone::text {

// A decimal number as it is written without an exponent.
struct Decimal {
    bool negative = false;
    std::string integer = "0";  // no leading zeros
    std::string fraction;       // no trailing zeros

    bool is_zero() const { return integer == "0" && fraction.empty(); }
    std::strong_ordering operator<=>(const Decimal& other) const;
    bool operator==(const Decimal& other) const { return (*this <=> other) == 0; }
};

// Nothing for what is no number, or has more than 18 digits in front of the point or 30 behind it. Doubles count as the
// shortest decimal that reads back as them: what the file said.
std::optional<Decimal> decimal_of(const boost::json::value& value);

struct NumberBound {
    Decimal value;
    bool exclusive = false;
};

// Digits in front of the point, and behind it, where no bound says more.
inline constexpr uint32_t kMostDigits = 16;

// Integers without sign of zero, fraction and exponent. Matches nothing where the bounds leave nothing.
Expression integers(GrammarBuilder& builder, const std::optional<NumberBound>& low,
                    const std::optional<NumberBound>& high);
// All numbers; with exponents if there is no bound.
Expression numbers(GrammarBuilder& builder, const std::optional<NumberBound>& low,
                   const std::optional<NumberBound>& high);

}  // namespace hone::text
