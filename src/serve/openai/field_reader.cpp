#include "serve/openai/field_reader.h"

#include <cmath>
#include <limits>

namespace hone::serve {

namespace json = boost::json;

namespace {

ApiError malformed(std::string message) {
    return {.message = std::move(message), .code = "invalid_json"};
}

}  // namespace

std::optional<ApiError> parse_json_object(std::string_view body, json::value& out) {
    Result<json::value> parsed = text::parse_json(body);
    if (!parsed) return malformed("the request body is " + parsed.error().message);
    out = std::move(*parsed);
    if (!out.is_object())
        return malformed(fmt::format("the request body must be a JSON object, not {}", json_type_name(out)));
    return std::nullopt;
}

std::optional<int64_t> as_integer(const json::value& value) {
    if (value.is_int64()) return value.get_int64();
    if (!value.is_double()) return std::nullopt;
    const double number = value.get_double();
    if (std::trunc(number) != number || std::abs(number) > 0x1p53) return std::nullopt;
    return static_cast<int64_t>(number);
}

const json::value* FieldReader::find(std::string_view field) const {
    const json::value* value = object_.if_contains(field);
    return value && !value->is_null() ? value : nullptr;
}

std::optional<bool> FieldReader::flag(std::string_view field) {
    const json::value* value = find(field);
    if (!value) return std::nullopt;
    if (value->is_bool()) return value->get_bool();
    refuse_type(field, "a boolean", *value);
    return std::nullopt;
}

std::optional<int64_t> FieldReader::integer(std::string_view field, int64_t lowest, int64_t highest) {
    const json::value* value = find(field);
    if (!value) return std::nullopt;
    const auto number = as_integer(*value);
    if (number && *number >= lowest && *number <= highest) return number;
    if (!value->is_number()) {
        refuse_type(field, "an integer", *value);
    } else if (!number && value->is_double() && std::abs(value->get_double()) < 0x1p53) {
        refuse(field, "must be an integer, not a fraction", "invalid_type");
    } else {
        refuse(field, fmt::format("must be from {} to {}", lowest, highest));
    }
    return std::nullopt;
}

std::optional<double> FieldReader::number(std::string_view field, double lowest, double highest) {
    const json::value* value = find(field);
    if (!value) return std::nullopt;
    if (!value->is_number()) {
        refuse_type(field, "a number", *value);
        return std::nullopt;
    }
    const double number = value->to_number<double>();
    if (number >= lowest && number <= highest) return number;
    refuse(field, fmt::format("must be from {} to {}", lowest, highest));
    return std::nullopt;
}

std::optional<std::string> FieldReader::text(std::string_view field) {
    const json::value* value = find(field);
    if (!value) return std::nullopt;
    if (value->is_string()) return std::string(value->get_string());
    refuse_type(field, "a string", *value);
    return std::nullopt;
}

const json::object* FieldReader::object(std::string_view field) {
    const json::value* value = find(field);
    if (!value) return nullptr;
    if (!value->is_object()) refuse_type(field, "an object", *value);
    return value->if_object();
}

const json::array* FieldReader::array(std::string_view field) {
    const json::value* value = find(field);
    if (!value) return nullptr;
    if (!value->is_array()) refuse_type(field, "a list", *value);
    return value->if_array();
}

std::vector<int32_t> FieldReader::integers(std::string_view field, int32_t lowest, int32_t highest) {
    std::vector<int32_t> out;
    const json::array* list = array(field);
    if (!list) return out;
    out.reserve(list->size());
    for (size_t i = 0; i < list->size(); ++i) {
        const auto number = as_integer((*list)[i]);
        if (number && *number >= lowest && *number <= highest) {
            out.push_back(static_cast<int32_t>(*number));
            continue;
        }
        const std::string element = fmt::format("{}[{}]", field, i);
        if (number) {
            refuse(element, fmt::format("is {}; it must be from {} to {}", *number, lowest, highest));
        } else {
            refuse_type(element, "an integer", (*list)[i]);
        }
        return {};
    }
    return out;
}

void FieldReader::refuse(std::string_view field, std::string message, std::string code) {
    if (failure_) return;
    std::string name = where_ + std::string(field);
    failure_ = ApiError{.message = fmt::format("'{}': {}", name, message), .param = name, .code = std::move(code)};
}

void FieldReader::refuse_type(std::string_view field, std::string_view expected, const json::value& got) {
    refuse(field, fmt::format("must be {}, not {}", expected, json_type_name(got)), "invalid_type");
}

}  // namespace hone::serve
