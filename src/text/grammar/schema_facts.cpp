#include "text/grammar/schema_facts.h"

#include <algorithm>
#include <unordered_map>

#include "base/result.h"

namespace hone::text {

namespace json = boost::json;

bool is_same(const ListedValue& a, const ListedValue& b) {
    return a.hash == b.hash && *a.value == *b.value;
}

void tighten(std::optional<NumberBound>& bound, const std::optional<NumberBound>& other, bool is_low) {
    if (!other) return;
    const auto order = bound ? other->value <=> bound->value : std::strong_ordering::equal;
    if (!bound || (is_low ? order > 0 : order < 0) || (order == 0 && other->exclusive)) bound = other;
}

bool merge(Facts& facts, const Facts& other) {
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

std::string contradiction(const Facts& facts) {
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

}  // namespace hone::text
