#include "text/tools/typed_value.h"

#include <algorithm>
#include <bitset>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "text/tools/json_calls.h"
#include "text/tools/json_scanner.h"
#include "text/tools/marker_search.h"

namespace hone::text {

namespace json = boost::json;

namespace {

constexpr int kDeepestSchema = 16;  // anyOf and $ref in each other

enum Type { null, boolean, integer, number, string, array, object, any, kTypes };
using Types = std::bitset<kTypes>;

constexpr std::string_view kTypeNames[] = {"null", "boolean", "integer", "number", "string", "array", "object"};

void add_named(const json::value& name, Types& types) {
    if (!name.is_string()) return;
    for (size_t i = 0; i < std::size(kTypeNames); ++i)
        if (std::string_view(name.get_string()) == kTypeNames[i]) types.set(i);
}

void add_of_constant(const json::value& value, Types& types) {
    types.set(value.is_string() ? string : value.is_null() ? null : any);
}

// "#/$defs/NAME" and the like; null if there is nothing.
const json::value* look_up(const json::object& root, std::string_view reference) {
    if (!reference.starts_with("#/")) return nullptr;
    const json::object* here = &root;
    const json::value* found = nullptr;
    for (size_t at = 2, end; at <= reference.size(); at = end + 1) {
        end = std::min(reference.find('/', at), reference.size());
        found = here ? here->if_contains(reference.substr(at, end - at)) : nullptr;
        if (!found) return nullptr;
        here = found->if_object();
    }
    return found;
}

void add_types(const json::value* schema, const json::object& root, int depth, Types& types) {
    const json::object* fields = schema ? schema->if_object() : nullptr;
    if (!fields || depth == kDeepestSchema) return;
    Types own;
    if (const json::value* type = fields->if_contains("type")) {
        add_named(*type, own);
        if (const json::array* list = type->if_array())
            for (const json::value& name : *list) add_named(name, own);
    }
    for (const char* word : {"anyOf", "oneOf", "allOf"}) {
        const json::value* options = fields->if_contains(word);
        if (!options || !options->is_array()) continue;
        for (const json::value& option : options->get_array()) add_types(&option, root, depth + 1, own);
    }
    if (const json::value* reference = fields->if_contains("$ref"); reference && reference->is_string())
        add_types(look_up(root, reference->get_string()), root, depth + 1, own);
    if (own.none()) {
        if (const json::value* values = fields->if_contains("enum"); values && values->is_array())
            for (const json::value& value : values->get_array()) add_of_constant(value, own);
        if (const json::value* value = fields->if_contains("const")) add_of_constant(*value, own);
    }
    types |= own;
}

bool is_word(std::string_view text, std::string_view word) {
    return std::ranges::equal(text, word, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

// Whether the number (JSON) is whole: 3, 3.0, 3e2.
bool is_whole_number(std::string_view text) {
    if (text.find_first_of(".eE") == text.npos) return true;
    const double value = std::strtod(std::string(text).c_str(), nullptr);
    return value == static_cast<double>(static_cast<long long>(std::clamp(value, -1e18, 1e18)));
}

// Whether a JSON value of that text is of one of the types.
bool fits(std::string_view text, const Types& types) {
    if (types[any]) return true;
    switch (text[0]) {
        case '"':
            return types[string];
        case '[':
            return types[array];
        case '{':
            return types[object];
        case 't':
        case 'f':
            return types[boolean];
        case 'n':
            return types[null];
        default:
            return types[number] || (types[integer] && is_whole_number(text));
    }
}

bool is_json(std::string_view text) {
    const std::string ended = std::string(text) + ' ';  // a number needs an end
    return !text.empty() && json_end(ended, 0) == text.size();
}

}  // namespace

BareReading bare_reading(const json::value* schema, const json::object& root) {
    Types types;
    add_types(schema, root, 0, types);
    if (types.none()) return BareReading::kString;
    if (!types[string]) return BareReading::kJson;
    types.reset(string);
    if (types.none()) return BareReading::kString;
    return types.reset(null).none() ? BareReading::kStringOrNull : BareReading::kStringOrJson;
}

std::string typed_value(std::string_view raw, const json::value* schema, const json::object& root) {
    Types types;
    add_types(schema, root, 0, types);
    if (types.none()) return quote_json(raw);
    const std::string_view text = stripped(raw);
    const bool says_null = is_word(text, "null") || is_word(text, "none");
    if (says_null && (types[null] || !types[string])) return "null";
    if (types[string] && (types & ~Types().set(string).set(null)).none()) return quote_json(raw);
    if (types[boolean] && is_word(text, "true")) return "true";
    if (types[boolean] && is_word(text, "false")) return "false";
    if (is_json(text)) return fits(text, types) ? std::string(text) : quote_json(raw);
    if ((types[object] || types[array]) && (text.starts_with('{') || text.starts_with('[')))
        if (const auto literal = json_of_python(text)) return *literal;
    return quote_json(raw);
}

}  // namespace hone::text
