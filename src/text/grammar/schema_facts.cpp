#include "text/grammar/schema_facts.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "text/grammar/string_formats.h"

namespace hone::text {

namespace json = boost::json;

// Steps of the budget, which bound the memory of what is found too: a kilobyte, a hundred bytes, and what is copied.
constexpr size_t kExpansionWork = 400, kChildWork = 100, kFactsWork = 100, kFactWork = 20, kValueWork = 4;
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

static Error refuse(const SchemaAt& at, std::string_view keyword, std::string_view reason) {
    return hone::error("{}: {} {}", at.pointer, keyword, reason);
}

static std::string escaped(std::string_view name) {
    std::string out;
    for (const char c : name) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    return out;
}

SchemaAt SchemaReader::child(const SchemaAt& at, std::string_view keyword, const json::value& schema) const {
    if (!b_.work(kChildWork + at.pointer.size() + keyword.size())) return {&schema, {}};
    return {&schema, fmt::format("{}/{}", at.pointer, keyword)};
}

static const json::value* find(const SchemaAt& at, std::string_view keyword) {
    return at.schema->get_object().if_contains(keyword);
}

// A count: an integer that is not negative; a double without fraction counts.
static Status read_count(const SchemaAt& at, std::string_view keyword, std::optional<uint32_t>& count) {
    const json::value* value = find(at, keyword);
    if (!value) return ok();
    boost::system::error_code code;
    const auto number = value->to_number<uint64_t>(code);
    if (code) return refuse(at, keyword, "is not a count");
    count = static_cast<uint32_t>(std::min<uint64_t>(number, UINT32_MAX));
    return ok();
}

static Status read_least(const SchemaAt& at, std::string_view keyword, uint32_t& least) {
    std::optional<uint32_t> read;
    if (const Status status = read_count(at, keyword, read); !status) return status;
    if (read.value_or(0) > GrammarBuilder::kMostRepetitions) {
        return refuse(at, keyword, fmt::format("is more than {}", GrammarBuilder::kMostRepetitions));
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

Status SchemaReader::check_keywords(const SchemaAt& at) const {
    for (const std::string_view keyword : kRefused) {
        if (find(at, keyword)) return refuse(at, keyword, "is not supported");
    }
    const json::value* unique = find(at, "uniqueItems");
    if (unique && *unique != false) return refuse(at, "uniqueItems", "is not supported");
    return ok();
}

static bool is_same(const ListedValue& a, const ListedValue& b) {
    return a.hash == b.hash && *a.value == *b.value;
}

Status SchemaReader::read_types(const SchemaAt& at, Facts& facts) const {
    constexpr std::pair<std::string_view, unsigned> kTypes[] = {{"null", kNullType},
                                                                {"boolean", kBooleanType},
                                                                {"object", kObjectType},
                                                                {"array", kArrayType},
                                                                {"string", kStringType},
                                                                {"integer", kIntegerType},
                                                                {"number", kIntegerType | kFractionType}};
    if (const json::value* type = find(at, "type")) {
        facts.types = 0;
        const json::array one = {*type};
        const json::array& names = type->is_array() ? type->get_array() : one;
        for (const json::value& name : names) {
            const auto known = std::ranges::find_if(
                kTypes, [&](const auto& entry) { return name.is_string() && name.get_string() == entry.first; });
            if (known == std::end(kTypes)) return refuse(at, "type", "is not a type, or a list of types, of JSON");
            facts.types |= known->second;
        }
    }
    if (const json::value* nullable = find(at, "nullable"); nullable && *nullable == true && find(at, "type")) {
        facts.types |= kNullType;
    }
    if (const json::value* values = find(at, "enum")) {
        if (!values->is_array()) return refuse(at, "enum", "is not an array");
        facts.values.emplace();
        for (const json::value& value : values->get_array()) {
            if (!b_.work(kFactWork + weight(value))) return b_.failure();
            facts.values->push_back({&value, std::hash<json::value>()(value)});
        }
        facts.values_at = at.pointer + ": enum";
    }
    if (const json::value* value = find(at, "const")) {
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

static void tighten(std::optional<NumberBound>& bound, const std::optional<NumberBound>& other, bool is_low) {
    if (!other) return;
    const auto order = bound ? other->value <=> bound->value : std::strong_ordering::equal;
    if (!bound || (is_low ? order > 0 : order < 0) || (order == 0 && other->exclusive)) bound = other;
}

Status SchemaReader::read_numbers(const SchemaAt& at, Facts& facts) const {
    const auto read = [&](std::string_view keyword, bool exclusive, bool is_low) -> Status {
        const json::value* value = find(at, keyword);
        if (!value) return ok();
        facts.mentioned |= kIntegerType | kFractionType;
        auto& bound = is_low ? facts.low : facts.high;
        if (value->is_bool() && exclusive) {  // draft 4: a flag for the other keyword
            if (bound && value->get_bool()) bound->exclusive = true;
            return ok();
        }
        const auto decimal = decimal_of(*value);
        if (!decimal) return refuse(at, keyword, "is not a number of at most 18 digits before and 30 after the point");
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

Status SchemaReader::read_strings(const SchemaAt& at, Facts& facts) const {
    for (const char* keyword : {"minLength", "maxLength", "pattern", "format"}) {
        if (find(at, keyword) && keyword != std::string_view("format")) facts.mentioned |= kStringType;
    }
    if (const Status status = read_least(at, "minLength", facts.min_length); !status) return status;
    if (const Status status = read_most(at, "maxLength", facts.max_length); !status) return status;
    if (const json::value* pattern = find(at, "pattern")) {
        if (!pattern->is_string()) return refuse(at, "pattern", "is not a string");
        facts.patterns.push_back({pattern, at.pointer});
    }
    if (const json::value* format = find(at, "format")) {
        if (!format->is_string()) return refuse(at, "format", "is not a string");
        if (auto pattern = pattern_of_format(format->get_string())) {
            facts.formats.push_back(std::move(*pattern));
            facts.mentioned |= kStringType;
        }
    }
    return ok();
}

Status SchemaReader::read_objects(const SchemaAt& at, Facts& facts) const {
    ObjectFacts object;
    const auto read_members = [&](std::string_view keyword, auto& into) -> Status {
        const json::value* members = find(at, keyword);
        if (!members) return ok();
        if (!members->is_object()) return refuse(at, keyword, "is not an object");
        for (const auto& member : members->get_object()) {
            into.emplace_back(member.key(),
                              child(at, fmt::format("{}/{}", keyword, escaped(member.key())), member.value()));
            if (b_.failed()) return b_.failure();
        }
        return ok();
    };
    if (const Status status = read_members("properties", object.properties); !status) return status;
    if (const Status status = read_members("patternProperties", object.patterns); !status) return status;
    if (const json::value* additional = find(at, "additionalProperties")) {
        object.additional = child(at, "additionalProperties", *additional);
    } else if (!open_objects_ && find(at, "properties")) {
        static const json::value kNone = false;
        object.additional = child(at, "additionalProperties", kNone);
    }
    const bool says = !object.properties.empty() || !object.patterns.empty() || object.additional;
    if (const json::value* required = find(at, "required"); required && !required->is_bool()) {
        if (!required->is_array()) return refuse(at, "required", "is not an array of names");
        for (const json::value& name : required->get_array()) {
            if (!name.is_string()) return refuse(at, "required", "is not an array of names");
            if (!b_.work(kFactWork + name.get_string().size())) return b_.failure();
            facts.required.emplace_back(name.get_string());
        }
    }
    if (const Status status = read_least(at, "minProperties", facts.min_properties); !status) return status;
    if (const Status status = read_most(at, "maxProperties", facts.max_properties); !status) return status;
    if (says || find(at, "properties") || !facts.required.empty() || facts.min_properties || facts.max_properties) {
        facts.mentioned |= kObjectType;
    }
    if (says) facts.objects.push_back(std::make_shared<const ObjectFacts>(std::move(object)));
    return ok();
}

Status SchemaReader::read_arrays(const SchemaAt& at, Facts& facts) const {
    ArrayFacts array;
    const json::value* prefix = find(at, "prefixItems");
    const json::value* items = find(at, "items");
    std::string_view rest_keyword = "items", prefix_keyword = "prefixItems";
    if (items && items->is_array()) {  // as draft 7 wrote it
        prefix = items;
        prefix_keyword = "items";
        rest_keyword = "additionalItems";
        items = find(at, rest_keyword);
    }
    if (prefix && !prefix->is_array()) return refuse(at, prefix_keyword, "is not an array of schemas");
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

static unsigned type_of(const json::value& value) {
    switch (value.kind()) {
        case json::kind::null:
            return kNullType;
        case json::kind::bool_:
            return kBooleanType;
        case json::kind::object:
            return kObjectType;
        case json::kind::array:
            return kArrayType;
        case json::kind::string:
            return kStringType;
        default:
            return kIntegerType | kFractionType;
    }
}

// Which keywords exclude each other; empty where none do, as far as they are compared.
static std::string contradiction(const Facts& facts) {
    if (facts.values && facts.values->empty()) return "enum: no value is left";
    if (facts.types == 0) return "type, enum, const: no value is left";
    if (facts.values && std::ranges::none_of(*facts.values, [&](const ListedValue& listed) {
            return facts.types & type_of(*listed.value);
        })) {
        return "type: none of the values of enum or const has it";
    }
    const auto is_above = [](uint32_t least, const std::optional<uint32_t>& most) { return most && least > *most; };
    if (is_above(facts.min_length, facts.max_length)) return "minLength is more than maxLength";
    if (is_above(facts.min_items, facts.max_items)) return "minItems is more than maxItems";
    if (is_above(facts.min_properties, facts.max_properties)) return "minProperties is more than maxProperties";
    if (!facts.low || !facts.high) return {};
    const auto order = facts.low->value <=> facts.high->value;
    const bool is_open = facts.low->exclusive || facts.high->exclusive;
    if (order < 0 || (order == 0 && !is_open)) return {};
    return fmt::format("{} and {} leave no number", facts.low->exclusive ? "exclusiveMinimum" : "minimum",
                       facts.high->exclusive ? "exclusiveMaximum" : "maximum");
}

void SchemaReader::explain_contradiction(const SchemaAt& at, const Facts& facts) const {
    if (b_.explains_empty()) return;
    const std::string found = contradiction(facts);
    if (!found.empty())
        b_.explain_empty(hone::error("schema: {}: {}; no value satisfies the schema", at.pointer, found));
}

Result<Facts> SchemaReader::own_facts(const SchemaAt& at) const {
    Facts facts;
    for (const auto read : {&SchemaReader::read_types, &SchemaReader::read_numbers, &SchemaReader::read_strings,
                            &SchemaReader::read_objects, &SchemaReader::read_arrays}) {
        if (const Status status = (this->*read)(at, facts); !status) return status.error();
    }
    explain_contradiction(at, facts);
    return facts;
}

Result<SchemaAt> SchemaReader::target_of(const SchemaAt& at) const {
    const json::value* reference = find(at, "$ref");
    if (!reference->is_string()) return refuse(at, "$ref", "is not a string");
    const std::string_view text = reference->get_string();
    if (text != "#" && !text.starts_with("#/")) {
        return refuse(at, "$ref",
                      fmt::format("'{}' is not supported: only references inside the document, as #/$defs/name", text));
    }
    std::string pointer;
    for (size_t i = 1; i < text.size(); i++) {
        if (text[i] != '%' || i + 2 >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[i + 1])) ||
            !std::isxdigit(static_cast<unsigned char>(text[i + 2]))) {
            pointer += text[i];
        } else {
            pointer += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        }
    }
    boost::system::error_code code;
    const json::value* target = root_.find_pointer(pointer, code);
    if (!target) return refuse(at, "$ref", fmt::format("'{}' does not lead to a schema", text));
    return SchemaAt{target, "#" + pointer};
}

Result<SchemaAt> SchemaReader::resolved(SchemaAt at) const {
    for (size_t steps = 0; steps < kDeepestExpansion && at.schema->is_object(); steps++) {
        const bool is_reference =
            find(at, "$ref") && std::ranges::all_of(at.schema->get_object(), [](const auto& member) {
                return member.key() == "$ref" || member.key() == "description" || member.key() == "title" ||
                       member.key() == "default";
            });
        if (!is_reference) return at;
        auto target = target_of(at);
        if (!target) return target.error();
        at = *target;
    }
    return at;
}

// What copying takes.
static size_t weight(const Facts& facts) {
    size_t sum = kFactsWork + (facts.values ? facts.values->size() * kValueWork : 0) + facts.values_at.size();
    for (const SchemaAt& pattern : facts.patterns) sum += pattern.pointer.size();
    return sum + kFactWork * (facts.patterns.size() + facts.formats.size() + facts.required.size() +
                              facts.objects.size() + facts.arrays.size());
}

// What both say. False if nothing can satisfy both.
static bool merge(Facts& facts, const Facts& other) {
    facts.types &= other.types;
    facts.mentioned |= other.mentioned;
    if (facts.values && other.values) {
        std::unordered_multimap<size_t, ListedValue> wanted;
        for (const ListedValue& value : *other.values) wanted.emplace(value.hash, value);
        std::erase_if(*facts.values, [&](const ListedValue& value) {
            const auto [begin, end] = wanted.equal_range(value.hash);
            return std::none_of(begin, end, [&](const auto& entry) { return is_same(entry.second, value); });
        });
    } else if (other.values) {
        facts.values = other.values;
        facts.values_at = other.values_at;
    }
    tighten(facts.low, other.low, true);
    tighten(facts.high, other.high, false);
    const auto less = [](std::optional<uint32_t>& most, const std::optional<uint32_t>& limit) {
        if (limit) most = std::min(most.value_or(*limit), *limit);
    };
    facts.min_length = std::max(facts.min_length, other.min_length);
    facts.min_items = std::max(facts.min_items, other.min_items);
    facts.min_properties = std::max(facts.min_properties, other.min_properties);
    less(facts.max_length, other.max_length);
    less(facts.max_items, other.max_items);
    less(facts.max_properties, other.max_properties);
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(facts.patterns, other.patterns);
    append(facts.formats, other.formats);
    append(facts.required, other.required);
    append(facts.objects, other.objects);
    append(facts.arrays, other.arrays);
    return facts.types != 0 && !(facts.values && facts.values->empty());
}

static Error too_many(const SchemaAt& at) {
    return hone::error("{}: more than {} combinations of anyOf and oneOf", at.pointer, SchemaReader::kMostAlternatives);
}

Result<SchemaReader::Alternatives> SchemaReader::conjunction(const Alternatives& a, const Alternatives& b,
                                                             const SchemaAt& at) const {
    if (a.size() * b.size() > kMostAlternatives) {
        return too_many(at);
    }
    Alternatives result;
    for (const Facts& first : a) {
        for (const Facts& second : b) {
            if (!b_.work(weight(first) + weight(second))) return b_.failure();
            Facts both = first;
            const bool is_possible = merge(both, second);
            explain_contradiction(at, both);
            if (is_possible) result.push_back(std::move(both));
        }
    }
    return result;
}

Result<SchemaReader::Alternatives> SchemaReader::expand(const SchemaAt& at, size_t depth) {
    if (depth > kDeepestExpansion) {
        return hone::error("{}: the schema refers to itself without an object or array between", at.pointer);
    }
    if (!b_.work(kExpansionWork)) return b_.failure();
    if (at.schema->is_bool()) return at.schema->get_bool() ? Alternatives{Facts{}} : Alternatives{};
    if (!at.schema->is_object()) return hone::error("{}: a schema is an object, true or false", at.pointer);
    if (const Status status = check_keywords(at); !status) return status.error();
    auto own = own_facts(at);
    if (!own) return own.error();
    Alternatives result;
    if (own->types != 0) result.push_back(std::move(*own));
    const auto restrict_to = [&](const Result<Alternatives>& others) -> Status {
        if (!others) return others.error();
        auto both = conjunction(result, *others, at);
        if (!both) return both.error();
        result = std::move(*both);
        return ok();
    };
    if (find(at, "$ref")) {
        const auto target = target_of(at);
        if (!target) return target.error();
        if (const Status status = restrict_to(expand(*target, depth + 1)); !status) return status.error();
    }
    for (const std::string_view keyword : {"allOf", "anyOf", "oneOf"}) {
        const json::value* schemas = find(at, keyword);
        if (!schemas) continue;
        if (!schemas->is_array() || schemas->get_array().empty()) {
            return refuse(at, keyword, "is not an array of schemas");
        }
        Alternatives any;
        for (size_t i = 0; i < schemas->get_array().size(); i++) {
            auto part = expand(child(at, fmt::format("{}/{}", keyword, i), schemas->get_array()[i]), depth + 1);
            if (!part) return part.error();
            if (keyword == "allOf") {
                if (const Status status = restrict_to(part); !status) return status.error();
            } else {
                if (any.size() + part->size() > kMostAlternatives) return too_many(at);
                any.insert(any.end(), part->begin(), part->end());
            }
        }
        if (keyword == "allOf") continue;
        if (const Status status = restrict_to(any); !status) return status.error();
    }
    return result;
}

Result<std::vector<Facts>> SchemaReader::alternatives(const SchemaSet& schemas) {
    Alternatives result = {Facts{}};
    for (const SchemaAt& at : schemas) {
        const auto expanded = expand(at, 0);
        if (!expanded) return expanded.error();
        auto both = conjunction(result, *expanded, at);
        if (!both) return both.error();
        result = std::move(*both);
    }
    return result;
}

}  // namespace hone::text
