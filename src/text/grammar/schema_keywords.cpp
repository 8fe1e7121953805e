#include "text/grammar/schema_keywords.h"

#include <algorithm>
#include <array>

#include "text/grammar/string_formats.h"

namespace hone::text {

namespace json = boost::json;

// Steps of the budget, which bound the memory of what is found too.
constexpr size_t kChildWork = 100, kFactWork = 20;
// An upper bound that no answer reaches, as generators of schemas write it for none.
constexpr uint32_t kNoBound = uint32_t{1} << 30;

constexpr std::string_view kRefused[] = {"not",
                                         "if",
                                         "then",
                                         "else",
                                         "contains",
                                         "propertyNames",
                                         "dependencies",
                                         "multipleOf",
                                         "dependentRequired",
                                         "$dynamicRef",
                                         "$recursiveRef",
                                         "dependentSchemas",
                                         "disallow",
                                         "divisibleBy",
                                         "extends",
                                         "unevaluatedItems",
                                         "unevaluatedProperties"};

Error refuse_keyword(const SchemaAt& at, std::string_view keyword, std::string_view reason) {
    return hone::error("{}: {} {}", at.pointer, keyword, reason);
}

const json::value* find_keyword(const SchemaAt& at, std::string_view keyword) {
    return at.schema->get_object().if_contains(keyword);
}

SchemaAt KeywordReader::child(const SchemaAt& at, std::string_view keyword, const json::value& schema) const {
    if (!b_.work(kChildWork + at.pointer.size() + keyword.size())) return {&schema, {}};
    return {&schema, fmt::format("{}/{}", at.pointer, keyword)};
}

static std::string escaped(std::string_view name) {
    std::string out;
    for (const char c : name) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    return out;
}

// A count: an integer that is not negative; a double without fraction counts.
static Status read_count(const SchemaAt& at, std::string_view keyword, std::optional<uint32_t>& count) {
    const json::value* value = find_keyword(at, keyword);
    if (!value) return ok();
    boost::system::error_code code;
    const auto number = value->to_number<uint64_t>(code);
    if (code) return refuse_keyword(at, keyword, "is not a count");
    count = static_cast<uint32_t>(std::min<uint64_t>(number, UINT32_MAX));
    return ok();
}

static Status read_least(const SchemaAt& at, std::string_view keyword, uint32_t& least) {
    std::optional<uint32_t> read;
    if (const Status status = read_count(at, keyword, read); !status) return status;
    if (read.value_or(0) > GrammarBuilder::kMostRepetitions) {
        return refuse_keyword(at, keyword, fmt::format("is more than {}", GrammarBuilder::kMostRepetitions));
    }
    least = read.value_or(least);
    return ok();
}

// What is beyond the possible repetitions is bounded by those.
static Status read_most(const SchemaAt& at, std::string_view keyword, std::optional<uint32_t>& most) {
    if (const Status status = read_count(at, keyword, most); !status) return status;
    if (most && *most >= kNoBound) most.reset();
    if (most) most = std::min(*most, GrammarBuilder::kMostRepetitions);
    return ok();
}

// What looking at a value takes.
static size_t weight(const json::value& value) {
    size_t sum = 1;
    if (const auto* text = value.if_string()) sum += text->size() / 8;
    for (const json::value& item : value.is_array() ? value.get_array() : json::array()) sum += weight(item);
    for (const auto& member : value.is_object() ? value.get_object() : json::object()) sum += weight(member.value());
    return sum;
}

Status KeywordReader::read_types(const SchemaAt& at, Facts& facts) const {
    constexpr std::pair<std::string_view, unsigned> kTypes[] = {{"null", kNullType},
                                                                {"boolean", kBooleanType},
                                                                {"object", kObjectType},
                                                                {"array", kArrayType},
                                                                {"string", kStringType},
                                                                {"integer", kIntegerType},
                                                                {"number", kIntegerType | kFractionType}};
    if (const json::value* type = find_keyword(at, "type")) {
        facts.types = 0;
        const json::array one = {*type};
        const json::array& names = type->is_array() ? type->get_array() : one;
        for (const json::value& name : names) {
            const auto known = std::ranges::find_if(
                kTypes, [&](const auto& entry) { return name.is_string() && name.get_string() == entry.first; });
            if (known == std::end(kTypes))
                return refuse_keyword(at, "type", "is not a type, or a list of types, of JSON");
            facts.types |= known->second;
        }
    }
    if (const json::value* nullable = find_keyword(at, "nullable");
        nullable && *nullable == true && find_keyword(at, "type")) {
        facts.types |= kNullType;
    }
    if (const json::value* values = find_keyword(at, "enum")) {
        if (!values->is_array()) return refuse_keyword(at, "enum", "is not an array");
        facts.values.emplace();
        for (const json::value& value : values->get_array()) {
            if (!b_.work(kFactWork + weight(value))) return b_.failure();
            facts.values->push_back({&value, std::hash<json::value>()(value)});
        }
        facts.values_at = at.pointer + ": enum";
    }
    if (const json::value* value = find_keyword(at, "const")) {
        if (!b_.work(weight(*value))) return b_.failure();
        const ListedValue only{value, std::hash<json::value>()(*value)};
        if (facts.values && std::ranges::none_of(*facts.values, [&](auto& other) { return is_same(other, only); })) {
            facts.types = 0;
        }
        facts.values = {only};
        facts.values_at = at.pointer + ": const";
    }
    return ok();
}

Status KeywordReader::read_numbers(const SchemaAt& at, Facts& facts) const {
    const auto read = [&](std::string_view keyword, bool exclusive, bool is_low) -> Status {
        const json::value* value = find_keyword(at, keyword);
        if (!value) return ok();
        facts.mentioned |= kIntegerType | kFractionType;
        auto& bound = is_low ? facts.low : facts.high;
        if (value->is_bool() && exclusive) {  // draft 4: a flag for the other keyword
            if (bound && value->get_bool()) bound->exclusive = true;
            return ok();
        }
        const auto decimal = decimal_of(*value);
        if (!decimal)
            return refuse_keyword(at, keyword, "is not a number of at most 18 digits before and 30 after the point");
        tighten(bound, NumberBound{*decimal, exclusive}, is_low);
        return ok();
    };
    for (const auto& [keyword, exclusive, is_low] :
         {std::tuple("minimum", false, true), std::tuple("exclusiveMinimum", true, true),
          std::tuple("maximum", false, false), std::tuple("exclusiveMaximum", true, false)}) {
        if (const Status status = read(keyword, exclusive, is_low); !status) return status;
    }
    return ok();
}

Status KeywordReader::read_strings(const SchemaAt& at, Facts& facts) const {
    for (const char* keyword : {"minLength", "maxLength", "pattern", "format"}) {
        if (find_keyword(at, keyword) && keyword != std::string_view("format")) facts.mentioned |= kStringType;
    }
    if (const Status status = read_least(at, "minLength", facts.min_length); !status) return status;
    if (const Status status = read_most(at, "maxLength", facts.max_length); !status) return status;
    if (const json::value* pattern = find_keyword(at, "pattern")) {
        if (!pattern->is_string()) return refuse_keyword(at, "pattern", "is not a string");
        facts.patterns.push_back({pattern, at.pointer});
    }
    if (const json::value* format = find_keyword(at, "format")) {
        if (!format->is_string()) return refuse_keyword(at, "format", "is not a string");
        if (auto pattern = pattern_of_format(format->get_string())) {
            facts.formats.push_back(std::move(*pattern));
            facts.mentioned |= kStringType;
        }
    }
    return ok();
}

Status KeywordReader::read_objects(const SchemaAt& at, Facts& facts) const {
    ObjectFacts object;
    const auto read_members = [&](std::string_view keyword, auto& into) -> Status {
        const json::value* members = find_keyword(at, keyword);
        if (!members) return ok();
        if (!members->is_object()) return refuse_keyword(at, keyword, "is not an object");
        for (const auto& member : members->get_object()) {
            into.emplace_back(member.key(),
                              child(at, fmt::format("{}/{}", keyword, escaped(member.key())), member.value()));
            if (b_.failed()) return b_.failure();
        }
        return ok();
    };
    if (const Status status = read_members("properties", object.properties); !status) return status;
    if (const Status status = read_members("patternProperties", object.patterns); !status) return status;
    if (const json::value* additional = find_keyword(at, "additionalProperties")) {
        object.additional = child(at, "additionalProperties", *additional);
    } else if (!open_objects_ && find_keyword(at, "properties")) {
        static const json::value kNone = false;
        object.additional = child(at, "additionalProperties", kNone);
    }
    const bool says = !object.properties.empty() || !object.patterns.empty() || object.additional;
    if (const json::value* required = find_keyword(at, "required"); required && !required->is_bool()) {
        if (!required->is_array()) return refuse_keyword(at, "required", "is not an array of names");
        for (const json::value& name : required->get_array()) {
            if (!name.is_string()) return refuse_keyword(at, "required", "is not an array of names");
            if (!b_.work(kFactWork + name.get_string().size())) return b_.failure();
            facts.required.emplace_back(name.get_string());
        }
    }
    if (const Status status = read_least(at, "minProperties", facts.min_properties); !status) return status;
    if (const Status status = read_most(at, "maxProperties", facts.max_properties); !status) return status;
    if (says || find_keyword(at, "properties") || !facts.required.empty() || facts.min_properties ||
        facts.max_properties) {
        facts.mentioned |= kObjectType;
    }
    if (says) facts.objects.push_back(std::make_shared<const ObjectFacts>(std::move(object)));
    return ok();
}

Status KeywordReader::read_arrays(const SchemaAt& at, Facts& facts) const {
    ArrayFacts array;
    const json::value* prefix = find_keyword(at, "prefixItems");
    const json::value* items = find_keyword(at, "items");
    std::string_view rest_keyword = "items", prefix_keyword = "prefixItems";
    if (items && items->is_array()) {  // as draft 7 wrote it
        prefix = items;
        prefix_keyword = "items";
        rest_keyword = "additionalItems";
        items = find_keyword(at, rest_keyword);
    }
    if (prefix && !prefix->is_array()) return refuse_keyword(at, prefix_keyword, "is not an array of schemas");
    if (prefix) {
        for (const json::value& item : prefix->get_array()) {
            array.prefix.push_back(child(at, fmt::format("{}/{}", prefix_keyword, array.prefix.size()), item));
            if (b_.failed()) return b_.failure();
        }
    }
    if (items) array.rest = child(at, rest_keyword, *items);
    if (const Status status = read_least(at, "minItems", facts.min_items); !status) return status;
    if (const Status status = read_most(at, "maxItems", facts.max_items); !status) return status;
    if (prefix || items || facts.min_items || facts.max_items) facts.mentioned |= kArrayType;
    if (prefix || items) facts.arrays.push_back(std::make_shared<const ArrayFacts>(std::move(array)));
    return ok();
}

Status KeywordReader::check(const SchemaAt& at) const {
    for (const std::string_view keyword : kRefused) {
        if (find_keyword(at, keyword)) return refuse_keyword(at, keyword, "is not supported");
    }
    const json::value* unique = find_keyword(at, "uniqueItems");
    if (unique && *unique != false) return refuse_keyword(at, "uniqueItems", "is not supported");
    return ok();
}

Result<Facts> KeywordReader::read(const SchemaAt& at) const {
    if (const Status status = check(at); !status) return status.error();
    Facts facts;
    for (const auto read : {&KeywordReader::read_types, &KeywordReader::read_numbers, &KeywordReader::read_strings,
                            &KeywordReader::read_objects, &KeywordReader::read_arrays}) {
        if (const Status status = (this->*read)(at, facts); !status) return status.error();
    }
    return facts;
}

}  // namespace hone::text
