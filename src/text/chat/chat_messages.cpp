#include "text/chat/chat_messages.h"

#include <boost/json/serialize.hpp>

#include "text/json_view.h"
#include "text/utf8.h"

namespace hone::text {

namespace json = boost::json;

namespace {

using Kind = MessageProblem::Kind;
using Problem = std::optional<MessageProblem>;

constexpr size_t kLongestQuote = 40;

// The field, or null if it is absent or null.
json::value* find(json::object& object, std::string_view field) {
    json::value* value = object.if_contains(field);
    return value && !value->is_null() ? value : nullptr;
}

MessageProblem wrong_type(std::string field, std::string_view expected, const json::value& got) {
    return {std::move(field), fmt::format("must be {}, not {}", expected, json_type_name(got)), Kind::wrong_type};
}

Problem append_part(const json::value& part, const std::string& field, std::string& out) {
    if (part.is_string()) {
        out += part.get_string();
        return {};
    }
    const json::object* fields = part.if_object();
    const json::value* type = fields ? fields->if_contains("type") : nullptr;
    const json::value* text = fields ? fields->if_contains("text") : nullptr;
    if (!type || !type->is_string()) return MessageProblem{field, "must be an object with a 'type'", Kind::wrong_type};
    if (type->get_string() != "text") {
        const std::string_view name = type->get_string();
        const std::string quoted = json::serialize(json::value(repair_utf8(name.substr(0, kLongestQuote))));
        return MessageProblem{field,
                              fmt::format("parts of type '{}' are not supported; this model reads text only",
                                          std::string_view(quoted).substr(1, quoted.size() - 2)),
                              Kind::unsupported};
    }
    if (!text || !text->is_string()) return MessageProblem{field + ".text", "must be a string", Kind::wrong_type};
    out += text->get_string();
    return {};
}

Problem join_content(json::object& message) {
    json::value* content = find(message, "content");
    if (!content) message["content"] = "";
    if (!content || content->is_string()) return {};
    if (!content->is_array()) return wrong_type("content", "a string or a list of parts", *content);
    std::string text;
    const json::array& parts = content->get_array();
    for (size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) text += '\n';
        if (auto problem = append_part(parts[i], fmt::format("content[{}]", i), text)) return problem;
    }
    *content = text;
    return {};
}

// Templates loop over the arguments of earlier tool calls, which clients send as JSON text.
Problem parse_tool_arguments(json::object& message) {
    json::value* calls = find(message, "tool_calls");
    if (!calls) return {};
    if (!calls->is_array()) return wrong_type("tool_calls", "a list", *calls);
    for (size_t i = 0; i < calls->get_array().size(); ++i) {
        json::object* call = calls->get_array()[i].if_object();
        json::value* function = call ? call->if_contains("function") : nullptr;
        json::object* fields = function ? function->if_object() : nullptr;
        const std::string where = fmt::format("tool_calls[{}].function", i);
        if (!fields || !fields->if_contains("name") || !fields->at("name").is_string())
            return MessageProblem{where, "must be an object with a 'name'", Kind::wrong_type};
        json::value& arguments = (*fields)["arguments"];
        if (arguments.is_null() || (arguments.is_string() && arguments.get_string().empty())) {
            arguments = json::object();
        } else if (arguments.is_string()) {
            Result<json::value> parsed = parse_json(std::string_view(arguments.get_string()));
            if (!parsed || !parsed->is_object())
                return MessageProblem{where + ".arguments", "must be the text of a JSON object"};
            arguments = std::move(*parsed);
        } else if (!arguments.is_object()) {
            return wrong_type(where + ".arguments", "the text of a JSON object", arguments);
        }
    }
    return {};
}

}  // namespace

std::optional<MessageProblem> normalize_message(json::value& message) {
    json::object* fields = message.if_object();
    if (!fields) return wrong_type("", "an object", message);
    json::value* role = find(*fields, "role");
    if (!role) return MessageProblem{"role", "is missing", Kind::missing};
    if (!role->is_string()) return wrong_type("role", "a string", *role);
    if (auto problem = join_content(*fields)) return problem;
    if (auto problem = parse_tool_arguments(*fields)) return problem;
    for (const char* field : {"name", "tool_call_id", "reasoning", "reasoning_content"}) {
        const json::value* value = find(*fields, field);
        if (value && !value->is_string()) return wrong_type(field, "a string", *value);
    }
    return {};
}

}  // namespace hone::text
