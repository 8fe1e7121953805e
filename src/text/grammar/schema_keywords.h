// What the keywords of one schema say of values, all but those that lead to other schemas ($ref, allOf, anyOf, oneOf). Pure;
// the schema and the builder outlive it. One thread.
#pragma once

#include "text/grammar/grammar_builder.h"
#include "text/grammar/schema_facts.h"

namespace hone::text {

// Null where the schema, an object, has no such keyword.
const boost::json::value* find_keyword(const SchemaAt& at, std::string_view keyword);
Error refuse_keyword(const SchemaAt& at, std::string_view keyword, std::string_view reason);

class KeywordReader {
  public:
    // Its work counts in the builder.
    KeywordReader(GrammarBuilder& builder, bool open_objects) : b_(builder), open_objects_(open_objects) {}

    // Of an object. Errors name a keyword and its pointer.
    Result<Facts> read(const SchemaAt& at) const;
    // What `keyword` has; no pointer once the budget is used up.
    SchemaAt child(const SchemaAt& at, std::string_view keyword, const boost::json::value& schema) const;

  private:
    Status check(const SchemaAt& at) const;
    Status read_types(const SchemaAt& at, Facts& facts) const;
    Status read_numbers(const SchemaAt& at, Facts& facts) const;
    Status read_strings(const SchemaAt& at, Facts& facts) const;
    Status read_objects(const SchemaAt& at, Facts& facts) const;
    Status read_arrays(const SchemaAt& at, Facts& facts) const;

    GrammarBuilder& b_;
    bool open_objects_;
};

}  // namespace hone::text
