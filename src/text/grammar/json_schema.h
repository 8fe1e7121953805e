// JSON Schema (2020-12, and what draft 7 wrote differently: definitions, items as an array) as a grammar of the JSON texts
// that satisfy it.
//
// Text: members come in the order of `properties`, then those of patternProperties and additionalProperties; between
// tokens of JSON there is one space, or a line break with up to 20 spaces, or nothing (JsonWhitespace). Integers have at most
// 16 digits unless bounds say more; numbers with an exponent at most 2 digits there, and none at all where bounds are
// given. Strings whose content is described (pattern, format, names of properties) are written with the shortest
// escapes; other strings may use all of JSON's escapes, but no lone surrogates. Nesting is bounded (GrammarLimits).
//
// Meaning: oneOf is anyOf (a text may satisfy several alternatives where they overlap). Where a member or an item could
// satisfy nothing, it is left out. Names of additional members may repeat. Unknown formats and unknown keywords say
// nothing, as the specification has it. Keywords that would say something, but cannot be followed, are refused: not, if,
// contains, uniqueItems, multipleOf, dependent*, propertyNames, unevaluated*, references to other documents. Errors name
// the keyword and where it is (a JSON pointer), but for a schema as a whole that is too large. Where no value satisfies a
// schema, that is an error too; it names the first keywords that were found to exclude each other, if any. Counts: least
// ones up to 100,000; greatest ones beyond that are 100,000, from 2^30 on none. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "base/result.h"
#include "text/grammar/grammar_builder.h"

namespace hone::text {

enum class JsonWhitespace {
    kFlexible,  // as above
    kCompact,   // none
    kSpaced,    // one space after every comma and colon, as json.dumps writes
};

struct JsonSchemaOptions {
    JsonWhitespace whitespace = JsonWhitespace::kFlexible;
    // additionalProperties where the schema does not say; the specification has true.
    bool open_objects = true;
    // A text that the strings do not have in letters, for values inside something that it would end; may be empty.
    std::string_view avoided = {};
};

// `schema` lives until build().
Result<Expression> add_json_schema(GrammarBuilder& builder, const boost::json::value& schema,
                                   const JsonSchemaOptions& options = {});
// Strings that stand bare in a text, without quotation marks and escapes.
struct BareStrings {
    Expression allowed;                       // regular: those that can be written
    std::optional<CodePoints> harmless = {};  // all strings of these characters can
};
// The values of a schema where strings are bare, which others (as JSON) could be taken for.
struct BareValue {
    Expression strings, others;
};
// The schema at `pointer` ("/properties/name") of `root`, which lives until build(). Where a string has a bound on its
// length beyond 64, it is one of harmless characters.
Result<BareValue> add_bare_value(GrammarBuilder& builder, const boost::json::value& root, const std::string& pointer,
                                 const BareStrings& strings, const JsonSchemaOptions& options = {});

// Any object, or any value.
Expression add_json_object(GrammarBuilder& builder, const JsonSchemaOptions& options = {});
Expression add_json_value(GrammarBuilder& builder, const JsonSchemaOptions& options = {});

}  // namespace hone::text
