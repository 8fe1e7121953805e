// The parts of JSON as expressions: what a schema compiler puts together. Parts that are the same everywhere are made
// once, as rules, so that their masks are worked out once. Lives as long as its builder is filled.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "text/grammar/grammar_builder.h"
#include "text/grammar/json_schema.h"

namespace hone::text {

class JsonParts {
  public:
    JsonParts(GrammarBuilder& builder, const JsonSchemaOptions& options)
        : b_(builder), whitespace_(options.whitespace), avoided_(options.avoided) {}

    // White space where it may stand: after [ { , and behind a value; after a colon.
    Expression space();
    Expression comma();  // with its space
    Expression colon();

    Expression string();  // any
    // Between quotation marks: so many characters in any spelling.
    Expression string_of_length(uint32_t least, std::optional<uint32_t> most);
    // Between quotation marks: what is written in the shortest escapes (CharacterForm::kJson).
    Expression quoted(Expression content);
    Expression any_content() { return content_of_length(0, std::nullopt); }
    Expression content_of_length(uint32_t least, std::optional<uint32_t> most);
    // `content` where it does not have what is avoided. Only of regular ones.
    Expression without_avoided(Expression content);
    // The content of a string.
    Expression content(std::string_view text);

    Expression integer();
    Expression number();
    Expression boolean();
    Expression null();
    Expression constant(const boost::json::value& value);  // exactly that value
    Expression value();                                    // any
    Expression object();
    Expression array();

    // { members }, [ items ] around what lies between; behind every member and item, and the opening sign, space().
    Expression braces(Expression members);
    Expression brackets(Expression items);

  private:
    Expression once(std::optional<GrammarRule>& rule, const char* name, Expression (JsonParts::*make)());
    Expression make_space();
    Expression make_string();
    Expression make_integer();
    Expression make_number();
    Expression make_value();
    Expression make_object();
    Expression make_array();
    Expression unit(bool counted);
    CodePoints harmful() const;
    Expression list(Expression element);

    GrammarBuilder& b_;
    JsonWhitespace whitespace_;
    std::string avoided_;
    std::optional<GrammarRule> space_, string_, integer_, number_, value_, object_, array_;
};

}  // namespace hone::text
