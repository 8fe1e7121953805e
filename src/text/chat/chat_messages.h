// A message as clients and data files write it, to a message as templates read it: parts of text joined, arguments of
// tool calls parsed. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace hone::text {

struct MessageProblem {
    enum class Kind { missing, wrong_type, wrong_value, unsupported };
    std::string field;  // "content[1].text"; empty: the message itself
    std::string reason;
    Kind kind = Kind::wrong_value;
};

// Changes the message in place: `content` becomes a string (its text parts joined by line breaks, as vLLM joins them for
// templates that take strings; empty where absent), the `arguments` of `tool_calls` objects. Other fields stay.
std::optional<MessageProblem> normalize_message(boost::json::value& message);

}  // namespace hone::text
