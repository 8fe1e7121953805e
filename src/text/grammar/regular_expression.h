// Regular expressions as grammars. The syntax is Python's (and ECMAScript's) as far as it describes regular languages:
// literals, `.` (not a newline), classes with ranges, negation, \d \w \s \D \W \S (ASCII), \p{..} \P{..} (Unicode
// properties), escapes \n \r \t \f \v \0 \xHH \uHHHH \u{H..} \UHHHHHHHH \cX, groups ( ) (?: ) (?P<name> ) (?<name> ),
// alternation, * + ? {m} {m,} {m,n} {,n} and their lazy forms (the same language), ^ $ \A \Z at the ends of alternatives.
// Refused, with the position: look-around, back references, inline flags, \b, atomic groups, possessive quantifiers.
// Pure, any thread.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/grammar/grammar_builder.h"

namespace hone::text {

enum class RegexScope {
    kWhole,  // the expression describes the whole text, as re.fullmatch
    kPart,   // it occurs in the text, unless anchored, as re.search and JSON Schema's pattern
};

// Characters are written in `form`. Errors name the expression and the position (in bytes).
Result<Expression> add_regular_expression(GrammarBuilder& builder, std::string_view pattern,
                                          RegexScope scope = RegexScope::kWhole,
                                          CharacterForm form = CharacterForm::kPlain);

Result<Grammar> grammar_of_regular_expression(std::string_view pattern, const GrammarLimits& limits = {});

}  // namespace hone::text
