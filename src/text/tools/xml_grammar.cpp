// The grammar of calls as XML-like tags: what XmlReader reads back as arguments that the tool's schema allows.
#include <algorithm>
#include <functional>
#include <map>

#include <boost/json/serialize.hpp>

#include "base/check.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/regular_expression.h"
#include "text/grammar/schema_reader.h"
#include "text/tools/marker_search.h"
#include "text/tools/typed_value.h"
#include "text/tools/xml_calls.h"

namespace hone::text {

namespace json = boost::json;

namespace {

// The parameters are a list of tags, so what the schema says of their object as a whole has no place in a grammar of
// them, and the reader finds types in `properties` alone.
constexpr std::string_view kNotOfTags[] = {"$ref", "allOf", "anyOf", "oneOf", "enum", "const", "patternProperties"};

constexpr std::string_view kNull = R"(\s*([nN][uU][lL][lL]|[nN][oO][nN][eE])\s*)";
// What begins like JSON's strings, objects and lists, and all its other values.
constexpr std::string_view kLikeJson =
    R"(\s*(["{\[][\s\S]*|[nN][uU][lL][lL]|[nN][oO][nN][eE]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|)"
    R"(-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?)\s*)";

class XmlGrammar {
  public:
    XmlGrammar(CallGrammar& grammar, const XmlTags& tags, std::string_view newline)
        : grammar_(grammar),
          b_(grammar.builder()),
          tags_(tags),
          newline_(newline),
          allowed_(allowed_strings()),
          harmless_(CodePoints::all().without(CodePoints::of(newline.empty() ? "<\n" : "<"))) {}

    Expression function(const DeclaredTool& tool) {
        std::vector<Expression> parts{b_.literal(tag(tags_.function, tool.name) + "\n")};
        if (!tool.parameters.empty()) add_parameters(tool, parts);
        parts.push_back(b_.literal(tags_.function_end));
        return b_.sequence(std::move(parts));
    }

  private:
    std::string tag(std::string_view beginning, std::string_view name) const {
        return fmt::format("{0}{1}{2}{1}>", beginning, tags_.quoted_names ? "\"" : "", name);
    }

    // Strings that the reader gives back: without a tag's end, or what it takes for a forgotten one.
    Expression allowed_strings() {
        const std::string tags[] = {tags_.parameter_end, "\n" + tags_.parameter, "\n" + tags_.function_end};
        const Expression any = b_.text_without({}), free = b_.text_without(tags), line = b_.literal("\n");
        // It takes newlines at both ends for those of the tags; where these have some, a tag may seem to follow one.
        if (newline_.empty()) return b_.without(free, b_.choice({b_.sequence({line, any}), b_.sequence({any, line})}));
        const Expression begun = b_.choice({b_.literal(tags_.parameter), b_.literal(tags_.function_end)});
        return b_.without(free, b_.sequence({begun, any}));
    }

    bool can_be_written(std::string_view name) const {
        return !name.empty() && name.size() < kLongestHead && stripped(name) == name &&
               name.find(tags_.quoted_names ? '"' : '>') == name.npos && name.find('\n') == name.npos;
    }

    void add_parameters(const DeclaredTool& tool, std::vector<Expression>& parts) {
        const json::value& root = grammar_.parameters(tool);
        const auto refuse = [&](std::string_view what) {
            grammar_.fail(tool,
                          error("schema: #: {} cannot be followed in the way in which this model writes calls", what));
        };
        const auto alternatives = SchemaReader(b_, root, true).alternatives({{&root, "#"}});
        if (!alternatives) return void(grammar_.fail(tool, alternatives.error().within("schema")));
        for (const std::string_view keyword : kNotOfTags)
            if (root.get_object().contains(keyword)) return refuse(keyword);
        if (alternatives->empty() || !(alternatives->front().types & kObjectType))
            return refuse("a type that is not object");
        const Facts& facts = alternatives->front();
        const ObjectFacts object = facts.objects.empty() ? ObjectFacts{} : *facts.objects.front();
        const auto is_required = [&](const std::string& name) {
            return std::ranges::find(facts.required, name) != facts.required.end();
        };
        if (facts.min_properties > facts.required.size()) return refuse("minProperties");
        if (facts.max_properties && *facts.max_properties < object.properties.size()) return refuse("maxProperties");
        for (const auto& [name, schema] : object.properties) {
            if (!is_required(name)) {
                if (can_be_written(name)) parts.push_back(b_.optional(parameter(name, value_of(tool, root, schema))));
            } else if (can_be_written(name)) {
                parts.push_back(parameter(name, value_of(tool, root, schema)));
            } else {
                return refuse(fmt::format("the name '{}'", name));
            }
        }
        for (const std::string& name : facts.required) {
            if (std::ranges::find(object.properties, name, [](const auto& known) { return known.first; }) !=
                object.properties.end())
                continue;
            const bool may_be_string = !object.additional || *object.additional->schema == true;
            if (!may_be_string || !can_be_written(name))
                return refuse(fmt::format("'{}', which is required and not among the properties,", name));
            parts.push_back(parameter(name, value_to_end("", [&] { return allowed_; })));
        }
    }

    // `value` reads up to the end of the parameter.
    Expression parameter(const std::string& name, Expression value) {
        return b_.sequence({b_.literal(tag(tags_.parameter, name) + newline_), value, b_.literal("\n")});
    }

    // Values of equal schemas are one rule: tools are many, and every form of a string takes hundreds of states.
    Expression value_to_end(const std::string& key, const std::function<Expression()>& make) {
        const auto known = known_.find(key);
        if (known != known_.end()) return known->second;
        const Expression ended = b_.sequence({make(), b_.literal(newline_ + tags_.parameter_end)});
        return known_.emplace(key, b_.as_rule("parameter", ended)).first->second;
    }

    Expression value_of(const DeclaredTool& tool, const json::value& root, const SchemaAt& schema) {
        json::value said = *schema.schema;
        for (const char* word : {"title", "description", "default", "examples"})
            if (said.is_object()) said.get_object().erase(word);
        std::string key = json::serialize(said);
        if (key.find("$ref") != key.npos) key += tool.name;
        return value_to_end(key, [&] { return value(tool, root, schema); });
    }

    Expression value(const DeclaredTool& tool, const json::value& root, const SchemaAt& schema) {
        const BareReading reading = bare_reading(schema.schema, root.get_object());
        BareStrings strings{.allowed = allowed_};
        if (reading == BareReading::kString) strings.harmless = harmless_;
        if (reading == BareReading::kStringOrNull) strings.allowed = b_.without(allowed_, expression(kNull));
        if (reading == BareReading::kStringOrJson) strings.allowed = b_.without(allowed_, expression(kLikeJson));
        const auto made = add_bare_value(b_, root, schema.pointer.substr(1), strings,
                                         {.whitespace = JsonWhitespace::kSpaced, .avoided = tags_.parameter_end});
        if (!made) return grammar_.fail(tool, made.error());
        if (reading == BareReading::kString) return made->strings;
        if (reading == BareReading::kJson) return made->others;
        return b_.choice({made->strings, made->others});
    }

    Expression expression(std::string_view text) {
        const auto made = add_regular_expression(b_, text);
        CHECK(made.ok(), "{}", made.error().message);
        return *made;
    }

    CallGrammar& grammar_;
    GrammarBuilder& b_;
    const XmlTags& tags_;
    const std::string newline_;
    const Expression allowed_;
    const CodePoints harmless_;  // no tag begins with one
    std::map<std::string, Expression> known_;
};

}  // namespace

Expression xml_function(CallGrammar& grammar, const XmlTags& tags, std::string_view newline) {
    XmlGrammar functions(grammar, tags, newline);
    return grammar.any_tool([&](const DeclaredTool& tool) { return functions.function(tool); });
}

}  // namespace hone::text
