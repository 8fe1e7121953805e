// The formats of JSON Schema as regular expressions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hone::text {

// For the whole string; nothing for a format that is not known here, which then says nothing. Sources: RFC 3339 (date,
// time, date-time; with the length of months and leap years, without leap seconds), ISO 8601 (duration), RFC 5321 (email,
// without quoted names), RFC 1123 (hostname), RFC 4291 (ipv6), RFC 3986 (uri, without checking the parts' own rules), RFC
// 9562 (uuid), RFC 6901 (json-pointer).
std::optional<std::string> pattern_of_format(std::string_view format);

}  // namespace hone::text
