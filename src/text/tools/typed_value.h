// Parameters of the XML dialects: raw text, of which the tool's schema says what it stands for. Pure functions; any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace hone::text {

// The JSON text of a value. `schema`: the parameter's (null: not declared, a string); `root`: what its $ref (local
// ones) are looked up in. A string stays as it is; null counts where the schema has null or no string; numbers,
// booleans (in any case), objects and lists are read as JSON, the last two also as Python literals. What does not fit
// its type stays a string, so that nothing is lost.
std::string typed_value(std::string_view raw, const boost::json::value* schema, const boost::json::object& root);

// What typed_value makes of texts, by the schema alone.
enum class BareReading {
    kString,        // as they stand
    kStringOrNull,  // likewise, but null (or none) is null
    kStringOrJson,  // what is, or looks like, a value of JSON may be read as that
    kJson,
};
BareReading bare_reading(const boost::json::value* schema, const boost::json::object& root);

// A Python literal of dicts with string keys, lists, tuples, strings, numbers, True, False and None as JSON text;
// nothing if `text` is something else.
std::optional<std::string> json_of_python(std::string_view text);

}  // namespace hone::text
