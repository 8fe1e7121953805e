// Whether two JSON values are equal as data: numbers by value (1 is 1.0), the order of an object's keys does not
// matter, that of a list does. Pure functions.
#pragma once

#include <optional>
#include <string>

#include <boost/json/value.hpp>

namespace hone::cli {

// The first difference, with its path: ".items[2].name: expected "a", got "b"". Nothing if they are equal.
std::optional<std::string> json_difference(const boost::json::value& expected, const boost::json::value& got);

// The value as Python's json.dumps writes it, as most training data has it: ", " and ": " between.
std::string json_text(const boost::json::value& value);

}  // namespace hone::cli
