// Calls that are written as JSON objects: {"name": ..., "arguments": {...}}, with "parameters" as another word for the
// arguments. Arguments are given as the text that the model wrote. Pure functions on text; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hone::text {

struct JsonMember {
    std::string key;
    std::string_view value;  // its text; as far as it goes if it is not whole
    bool whole = true;
};

// The members of the object that begins in `text` (after blanks) as far as the text goes; nothing if it is no object.
// Of members with the same key the last counts: find_member gives that one.
std::optional<std::vector<JsonMember>> json_members(std::string_view text);
const JsonMember* find_member(const std::vector<JsonMember>& members, std::string_view key);

// The text of a JSON string; nothing if `json` is something else, or has half a surrogate pair.
std::optional<std::string> json_string(std::string_view json);
// `text` (valid UTF-8) as a JSON string.
std::string quote_json(std::string_view text);

struct JsonCall {
    std::string name, id;
    std::string_view arguments;  // part of the text that was read, or empty: none were given
};

// The call that a whole JSON value says; nothing if it is no object with a name that is a string and not empty.
// "arguments" goes before "parameters".
std::optional<JsonCall> json_call(std::string_view object);
// The call of an object that the end of the text cuts off: its name must be there as a whole.
std::optional<JsonCall> cut_json_call(std::string_view text);
// The elements of a whole list.
std::vector<std::string_view> json_elements(std::string_view list);

}  // namespace hone::text
