// JSON from outside: an object at the top, no name twice in any object, depth bounded; the error says where the text
// breaks. Free functions, any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.h"

namespace hone::model {

// `where` begins the error ("DIR/config.json"). Memory is at most some twelve times the text's.
Result<boost::json::object> parse_json_object(std::string_view text, const std::string& where);

// The file's object; files of more than `limit` bytes are refused before they are read.
Result<boost::json::object> read_json_object(const std::filesystem::path& path, size_t limit);

// The value as a whole number that is not negative; nothing for anything else.
std::optional<uint64_t> as_whole(const boost::json::value& value);

}  // namespace hone::model
