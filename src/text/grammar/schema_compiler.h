// From what a schema says (Facts) to expressions. Every schema that a member or item has becomes a rule, made once, so
// schemas may refer to themselves. Lives for one schema.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "text/grammar/json_parts.h"
#include "text/grammar/regular_expression.h"
#include "text/grammar/schema_reader.h"

namespace hone::text {

class SchemaCompiler {
  public:
    SchemaCompiler(GrammarBuilder& builder, const boost::json::value& root, const JsonSchemaOptions& options)
        : b_(builder), parts_(builder, options), reader_(builder, root, options.open_objects) {}

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
    std::vector<Member> listed_members(const Facts& facts, const std::vector<std::string>& names);
    void add_members(const ObjectFacts& object, const std::vector<std::string>& names, std::vector<Member>& members);
    std::vector<Member> other_members(const Facts& facts, const std::vector<std::string>& names);
    std::vector<std::string> names_of(const Facts& facts) const;
    Expression of_array(const Facts& facts);
    SchemaSet item_schemas(const Facts& facts, size_t index) const;
    Expression pattern(std::string_view text, RegexScope scope, std::string_view where,
                       CharacterForm form = CharacterForm::kJson);
    // Of the schema that is being worked on.
    void fail(Error failure) { b_.fail(failure.within(place_)); }

    GrammarBuilder& b_;
    JsonParts parts_;
    SchemaReader reader_;
    std::map<std::vector<const boost::json::value*>, Expression> known_;
    struct OpenRule {
        GrammarRule rule;
        std::string pointer;
        std::vector<Facts> alternatives;
    };
    std::deque<OpenRule> open_;  // rules still to be defined
    std::string place_;          // pointer of the schema that is being worked on
};

}  // namespace hone::text
