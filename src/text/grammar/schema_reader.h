// A JSON Schema with its references followed and its anyOf, oneOf and allOf worked out: a list of alternatives, each the
// conjunction of everything that was said (Facts). Pure; the schema outlives it. One thread.
#pragma once

#include "text/grammar/schema_keywords.h"

namespace hone::text {

class SchemaReader {
  public:
    static constexpr size_t kMostAlternatives = 512;
    static constexpr size_t kDeepestExpansion = 64;

    // Its work counts in the builder.
    SchemaReader(GrammarBuilder& builder, const boost::json::value& root, bool open_objects)
        : b_(builder), root_(root), keywords_(builder, open_objects) {}

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
    Result<SchemaAt> target_of(const SchemaAt& at) const;

    GrammarBuilder& b_;
    const boost::json::value& root_;
    KeywordReader keywords_;
};

}  // namespace hone::text
