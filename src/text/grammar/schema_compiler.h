// From what a schema says (Facts) to expressions. Every schema that a member or item has becomes a rule, made once, so
// schemas may refer to themselves. Lives for one schema.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "text/grammar/json_parts.h"
#include "text/grammar/regular_expression.h"
#include "text/grammar/schema_facts.h"

namespace hone::text {

class SchemaCompiler {
  public:
    SchemaCompiler(GrammarBuilder& builder, const boost::json::value& root, const JsonSchemaOptions& options)
        : b_(builder), parts_(builder, options), reader_(root, options.open_objects) {}

    Result<Expression> compile(const boost::json::value& root);
    Result<BareValue> compile_bare(const SchemaAt& schema, const BareStrings& strings);

  private:
    static constexpr size_t kMostPatterns = 4;     // of names, in one object
    static constexpr size_t kMostStates = 20'000;  // of the members of an object, times their counts

    // A name that is listed, or a kind of other names, with what its value has to be.
    struct Member {
        Expression key;
        SchemaSet schemas;
        bool required = false;
    };

    void define_open_rules();
    Expression bare_string(const Facts& facts, const BareStrings& strings);
    Expression value_of(SchemaSet schemas);
    Expression of_alternatives(const std::vector<Facts>& alternatives);
    Expression of_facts(const Facts& facts);
    Expression of_values(const Facts& facts, unsigned types);
    Expression of_string(const Facts& facts);
    bool has_string_facts(const Facts& facts) const;
    Expression string_content(const Facts& facts);
    Expression of_object(const Facts& facts);
    Expression of_members(const Facts& facts, const std::vector<Member>& listed, const std::vector<Member>& others);
    std::vector<Member> listed_members(const Facts& facts);
    std::vector<Member> other_members(const Facts& facts, const std::vector<std::string>& names);
    std::vector<std::string> names_of(const Facts& facts) const;
    bool name_matches(const std::string& pattern, const std::string& name);
    Expression of_array(const Facts& facts);
    SchemaSet item_schemas(const Facts& facts, size_t index) const;
    Expression pattern(const std::string& text, RegexScope scope, CharacterForm form = CharacterForm::kJson);
    void fail(Error failure) { b_.fail(std::move(failure)); }

    GrammarBuilder& b_;
    JsonParts parts_;
    SchemaReader reader_;
    std::map<std::vector<const boost::json::value*>, Expression> known_;
    std::deque<std::pair<GrammarRule, std::vector<Facts>>> open_;  // rules still to be defined
};

}  // namespace hone::text
