// What a JSON Schema says of values: the conjunction of everything that is said of one of its alternatives. Pure; the schema
// outlives it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"
#include "text/grammar/number_ranges.h"

namespace hone::text {

// A schema and where it is, as a JSON pointer ("#/properties/name").
struct SchemaAt {
    const boost::json::value* schema = nullptr;
    std::string pointer;
};
// All of them hold.
using SchemaSet = std::vector<SchemaAt>;

enum JsonType : unsigned {
    kNullType = 1,
    kBooleanType = 2,
    kObjectType = 4,
    kArrayType = 8,
    kStringType = 16,
    kIntegerType = 32,
    kFractionType = 64,  // numbers that are not integers
    kAnyType = 127,
};

// What one schema says about members: names it lists, patterns, and all others.
struct ObjectFacts {
    std::vector<std::pair<std::string, SchemaAt>> properties, patterns;
    std::optional<SchemaAt> additional;
};

struct ArrayFacts {
    std::vector<SchemaAt> prefix;
    std::optional<SchemaAt> rest;
};

struct ListedValue {
    const boost::json::value* value;
    size_t hash;
};

struct Facts {
    unsigned types = kAnyType;
    unsigned mentioned = 0;                          // types that keywords speak of
    std::optional<std::vector<ListedValue>> values;  // enum and const
    std::string values_at;                           // their place and keyword
    std::optional<NumberBound> low, high;
    uint32_t min_length = 0, min_items = 0, min_properties = 0;
    std::optional<uint32_t> max_length, max_items, max_properties;
    std::vector<SchemaAt> patterns;    // strings; the pointers are those of their schemas
    std::vector<std::string> formats;  // as patterns for the whole
    std::vector<std::string> required;
    std::vector<std::shared_ptr<const ObjectFacts>> objects;
    std::vector<std::shared_ptr<const ArrayFacts>> arrays;

    // Where no type is said, the keywords tell what is meant.
    unsigned meant_types() const { return types == kAnyType && mentioned != 0 && !values ? mentioned : types; }
};

bool is_same(const ListedValue& a, const ListedValue& b);

// `bound` becomes the narrower of both.
void tighten(std::optional<NumberBound>& bound, const std::optional<NumberBound>& other, bool is_low);

// `facts` become what both say. False if nothing can satisfy both.
bool merge(Facts& facts, const Facts& other);

// Which keywords exclude each other; empty where none do, as far as they are compared.
std::string contradiction(const Facts& facts);

}  // namespace hone::text
