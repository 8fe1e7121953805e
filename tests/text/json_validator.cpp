#include "tests/text/json_validator.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "text/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace hone::text {

namespace json = boost::json;

bool pattern_occurs(std::string_view pattern, std::string_view text) {
    int code;
    PCRE2_SIZE at;
    pcre2_code* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                         PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, nullptr);
    CHECK(compiled, "pattern {}", pattern);
    pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
    const int found =
        pcre2_match(compiled, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, data, nullptr);
    pcre2_match_data_free(data);
    pcre2_code_free(compiled);
    return found >= 0;
}

static double number_of(const json::value& value) {
    return value.to_number<double>();
}

bool JsonValidator::has_type(const json::value& value, const json::value& types) const {
    if (types.is_array()) {
        return std::ranges::any_of(types.get_array(), [&](const json::value& type) { return has_type(value, type); });
    }
    const std::string_view type = types.get_string();
    if (type == "null") return value.is_null();
    if (type == "boolean") return value.is_bool();
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (!value.is_number()) return false;
    return type == "number" || std::floor(number_of(value)) == number_of(value);
}

bool JsonValidator::number_fits(const json::value& value, const json::object& schema) const {
    if (!value.is_number()) return true;
    const double number = number_of(value);
    const auto holds = [&](const char* keyword, auto compare) {
        const json::value* bound = schema.if_contains(keyword);
        return !bound || compare(number, number_of(*bound));
    };
    return holds("minimum", std::greater_equal<>()) && holds("maximum", std::less_equal<>()) &&
           holds("exclusiveMinimum", std::greater<>()) && holds("exclusiveMaximum", std::less<>());
}

static bool count_fits(size_t count, const json::object& schema, const char* least, const char* most) {
    const json::value *low = schema.if_contains(least), *high = schema.if_contains(most);
    return (!low || static_cast<double>(count) >= number_of(*low)) &&
           (!high || static_cast<double>(count) <= number_of(*high));
}

bool JsonValidator::string_fits(const json::value& value, const json::object& schema) const {
    if (!value.is_string()) return true;
    const std::string_view text = value.get_string();
    const json::value* pattern = schema.if_contains("pattern");
    return count_fits(count_code_points(text), schema, "minLength", "maxLength") &&
           (!pattern || pattern_occurs(pattern->get_string(), text));
}

bool JsonValidator::array_fits(const json::value& value, const json::object& schema) const {
    if (!value.is_array()) return true;
    const json::array& items = value.get_array();
    const json::value *prefix = schema.if_contains("prefixItems"), *rest = schema.if_contains("items");
    for (size_t i = 0; i < items.size(); i++) {
        if (prefix && i < prefix->get_array().size()) {
            if (!satisfies(items[i], prefix->get_array()[i])) return false;
        } else if (rest && !satisfies(items[i], *rest)) {
            return false;
        }
    }
    return count_fits(items.size(), schema, "minItems", "maxItems");
}

bool JsonValidator::object_fits(const json::value& value, const json::object& schema) const {
    if (!value.is_object()) return true;
    const json::object& object = value.get_object();
    const json::value *properties = schema.if_contains("properties"),
                      *patterns = schema.if_contains("patternProperties");
    const json::value *additional = schema.if_contains("additionalProperties"),
                      *required = schema.if_contains("required");
    for (const auto& member : object) {
        bool is_named = false;
        if (const json::value* own = properties ? properties->get_object().if_contains(member.key()) : nullptr) {
            is_named = true;
            if (!satisfies(member.value(), *own)) return false;
        }
        for (const auto& pattern : patterns ? patterns->get_object() : json::object()) {
            if (!pattern_occurs(pattern.key(), member.key())) continue;
            is_named = true;
            if (!satisfies(member.value(), pattern.value())) return false;
        }
        if (!is_named && additional && !satisfies(member.value(), *additional)) return false;
    }
    for (const json::value& name : required ? required->get_array() : json::array()) {
        if (!object.contains(name.get_string())) return false;
    }
    return count_fits(object.size(), schema, "minProperties", "maxProperties");
}

bool JsonValidator::combinations_fit(const json::value& value, const json::object& schema) const {
    const auto fits = [&](const json::value& part) { return satisfies(value, part); };
    for (const char* keyword : {"anyOf", "oneOf"}) {
        const json::value* parts = schema.if_contains(keyword);
        if (parts && std::ranges::none_of(parts->get_array(), fits)) return false;
    }
    const json::value* all = schema.if_contains("allOf");
    return !all || std::ranges::all_of(all->get_array(), fits);
}

bool JsonValidator::satisfies(const json::value& value, const json::value& schema) const {
    if (schema.is_bool()) return schema.get_bool();
    const json::object& keywords = schema.get_object();
    if (const json::value* reference = keywords.if_contains("$ref")) {
        if (!satisfies(value, root_.at_pointer(std::string_view(reference->get_string()).substr(1)))) return false;
    }
    if (const json::value* type = keywords.if_contains("type"); type && !has_type(value, *type)) return false;
    const auto equals = [&](const json::value& other) {
        return value.is_number() && other.is_number() ? number_of(value) == number_of(other) : value == other;
    };
    if (const json::value* one = keywords.if_contains("const"); one && !equals(*one)) return false;
    if (const json::value* any = keywords.if_contains("enum"); any && std::ranges::none_of(any->get_array(), equals))
        return false;
    return number_fits(value, keywords) && string_fits(value, keywords) && array_fits(value, keywords) &&
           object_fits(value, keywords) && combinations_fit(value, keywords);
}

}  // namespace hone::text
