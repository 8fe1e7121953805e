// json.dumps as the filter `tojson` of transformers calls it: ", " and ": " between, key order kept, non-ASCII text as
// it is.
#pragma once

#include <optional>
#include <string>

#include "text/chat/rendering.h"

namespace hone::text::chat {

struct JsonStyle {
    bool ensure_ascii = false;
    bool sort_keys = false;
    std::optional<std::string> indent = {};  // of one level; also sets line breaks
    std::string item_separator = ", ";
    std::string key_separator = ": ";
};

// Appends the JSON of the value; false, with a TypeError, for what JSON does not know.
bool append_json(Rendering& rendering, std::string& out, const Value& value, const JsonStyle& style);

}  // namespace hone::text::chat
