// What a JSON Schema says, with its references followed and its anyOf, oneOf and allOf worked out: a list of
// alternatives, each the conjunction of everything that was said (Facts). Pure; the schema outlives it. One thread.
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

class SchemaReader {
  public:
    static constexpr size_t kMostAlternatives = 512;
    static constexpr size_t kDeepestExpansion = 64;

    // Its work counts in the builder.
    SchemaReader(GrammarBuilder& builder, const boost::json::value& root, bool open_objects)
        : b_(builder), root_(root), open_objects_(open_objects) {}

    // The alternatives of schemas that all hold; none: nothing can satisfy them. Errors name a keyword and its pointer.
    Result<std::vector<Facts>> alternatives(const SchemaSet& schemas);

    // The schema that says the same with references out of the way, where it is nothing but a reference.
    Result<SchemaAt> resolved(SchemaAt at) const;

  private:
    using Alternatives = std::vector<Facts>;

    Result<Alternatives> expand(const SchemaAt& at, size_t depth);
    Result<Alternatives> conjunction(const Alternatives& a, const Alternatives& b, const SchemaAt& at) const;
    // Keeps why nothing satisfies the facts, should that be so.
    void explain_contradiction(const SchemaAt& at, const Facts& facts) const;
    Result<Facts> own_facts(const SchemaAt& at) const;
    SchemaAt child(const SchemaAt& at, std::string_view keyword, const boost::json::value& schema) const;
    Status read_types(const SchemaAt& at, Facts& facts) const;
    Status read_numbers(const SchemaAt& at, Facts& facts) const;
    Status read_strings(const SchemaAt& at, Facts& facts) const;
    Status read_objects(const SchemaAt& at, Facts& facts) const;
    Status read_arrays(const SchemaAt& at, Facts& facts) const;
    Status check_keywords(const SchemaAt& at) const;
    Result<SchemaAt> target_of(const SchemaAt& at) const;

    GrammarBuilder& b_;
    const boost::json::value& root_;
    bool open_objects_;
};

}  // namespace hone::text
