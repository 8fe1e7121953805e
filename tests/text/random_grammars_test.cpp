// Grammars of random sources: whatever is drawn under those of random schemas parses and is valid, and of garbage some is
// refused, soon.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tests/text/grammar_walk.h"
#include "tests/text/json_validator.h"
#include "text/grammar/grammar_cache.h"

namespace hone::text {

namespace json = boost::json;

namespace {

class RandomSchemas {
  public:
    explicit RandomSchemas(uint32_t seed) : random_(seed) {}

    json::value schema(int depth = 0) {
        switch (pick(0, depth < 3 ? 13 : 6)) {
            case 0:
                return {{"type", "integer"}};
            case 1:
                return {{"type", "integer"}, {"minimum", pick(-300, 5)}, {"maximum", pick(6, 4000)}};
            case 2:
                return {{"type", "number"}, {"exclusiveMinimum", pick(-30, 5) / 4.0}, {"maximum", pick(6, 400) / 8.0}};
            case 3:
                return string();
            case 4:
                return {{"enum", json::array{"a", 1, nullptr, json::array{1, "x"}, 0.25, "b\"\\\n"}}};
            case 5:
                return {{"type", json::array{"boolean", "null", pick(0, 1) ? "string" : "number"}}};
            case 6:
                return {{"const", json::object{{"k", json::array{}}}}};
            case 7:
                return array(depth);
            case 8:
                return {{"anyOf", json::array{schema(depth + 1), schema(depth + 1)}}};
            case 9:
                return {{"allOf", json::array{schema(depth + 1), true}}};
            case 10:
                return {{"$ref", "#/$defs/tree"}};
            default:
                return object(depth);
        }
    }

    json::value document() {
        json::object root{{"allOf", json::array{schema()}}};
        root["$defs"] = {{"tree",
                          {{"type", "object"},
                           {"properties", {{"left", {{"$ref", "#/$defs/tree"}}}, {"leaf", schema(3)}}},
                           {"required", json::array{"leaf"}},
                           {"additionalProperties", false}}}};
        return root;
    }

  private:
    int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

    json::value string() {
        json::object made{{"type", "string"}};
        if (pick(0, 1)) made["minLength"] = pick(0, 3);
        if (pick(0, 1)) made["maxLength"] = pick(3, 12);
        constexpr const char* kPatterns[] = {"^[a-z]*$", "x", R"(^\w+ \w+$)", "[^a]$", "é|ü"};
        if (pick(0, 3) == 0) made["pattern"] = kPatterns[pick(0, 4)];
        return made;
    }

    json::value array(int depth) {
        json::object made{{"type", "array"}, {"items", schema(depth + 1)}};
        if (pick(0, 1)) made["minItems"] = pick(0, 3);
        made["maxItems"] = pick(3, 6);
        if (pick(0, 2) == 0) made["prefixItems"] = json::array{schema(depth + 1), schema(depth + 1)};
        return made;
    }

    json::value object(int depth) {
        json::object properties, made{{"type", "object"}};
        json::array required;
        for (const char* name : {"alpha", "b", "a key", "é\""}) {
            if (pick(0, 1)) continue;
            properties[name] = schema(depth + 1);
            if (pick(0, 1)) required.emplace_back(name);
        }
        if (pick(0, 4) == 0) required.emplace_back("extra");
        made["properties"] = properties;
        made["required"] = required;
        if (pick(0, 3) == 0) made["patternProperties"] = {{"^p_", schema(3)}, {"s$", true}};
        if (pick(0, 1))
            made["additionalProperties"] =
                pick(0, 1) ? json::value(required.size() > 0 && required.back() == "extra") : schema(3);
        if (pick(0, 2) == 0) made["maxProperties"] = pick(static_cast<int>(required.size()), 6);
        return made;
    }

    std::mt19937 random_;
};

TEST(RandomGrammars, RandomSchemasGiveValidTexts) {
    size_t texts = 0, refused = 0;
    for (const std::string& name : kTokenizers) {
        const Loaded loaded = load(name);
        for (uint32_t seed = 0; seed < 40; seed++) {
            const json::value document = RandomSchemas(seed * 31 + 7).document();
            const std::string schema = json::serialize(document);
            const auto compiled = compile_grammar({GrammarKind::kJsonSchema, schema});
            if (!compiled.ok()) {  // an object that asks for a member that it forbids
                ASSERT_NE(compiled.error().message.find("no text"), std::string::npos)
                    << compiled.error().message << schema;
                refused++;
                continue;
            }
            const auto grammar = std::make_shared<const TokenGrammar>(*compiled, loaded.vocabulary);
            for (uint32_t run = 0; run < 3; run++) {
                Walk walk(grammar, seed + run);
                for (int step = 0; step < 20'000 && !walk.ended(); step++) {
                    if (step % 8 == static_cast<int>(run)) {
                        ASSERT_EQ(**walk.matcher.allowed(), walk.matcher.allowed_by_trying());
                    }
                    walk.accept(walk.draw(40));
                }
                ASSERT_TRUE(walk.ended()) << schema << "\n" << walk.text;
                json::parse_options options;
                options.max_depth = 1000;
                boost::system::error_code code;
                const json::value value = json::parse(walk.text, code, {}, options);
                ASSERT_FALSE(code) << schema << "\n" << walk.text;
                ASSERT_TRUE(JsonValidator(document).satisfies(value)) << schema << "\n" << walk.text;
                texts++;
            }
        }
    }
    EXPECT_GT(texts, 400u);
    EXPECT_LT(refused, 60u);
}

// Garbage, and things that look like a source: an error or a grammar, never a crash, and soon.
TEST(RandomGrammars, SourcesOfAllKindsAreSurvived) {
    std::mt19937 random(3);
    const std::vector<std::string> pieces = {"root ::= ",
                                             "\"a\"",
                                             "[a-z",
                                             "]",
                                             "(",
                                             ")",
                                             "{",
                                             "}",
                                             "{3,}",
                                             "{1,200}",
                                             "|",
                                             "*",
                                             "+",
                                             "?",
                                             "\\",
                                             "\\d",
                                             "\\x4",
                                             "^",
                                             "$",
                                             ".",
                                             "a",
                                             " b",
                                             "\n",
                                             "::=",
                                             "root",
                                             "#",
                                             "<[3]>",
                                             "\xff",
                                             "é",
                                             "{\"type\":\"object\"",
                                             ",",
                                             "\"properties\":{\"a\":",
                                             "\"$ref\":\"#\"",
                                             "\"anyOf\":[",
                                             ":",
                                             "true",
                                             "\"maxLength\":",
                                             "9999",
                                             "\"pattern\":\"a{9}\"",
                                             "\"items\":",
                                             "-"};
    const GrammarLimits limits{.states = 20'000, .work = 1'000'000};
    size_t compiled = 0;
    for (int round = 0; round < 4000; round++) {
        std::string text;
        for (size_t i = random() % 12; i > 0; i--) text += pieces[random() % pieces.size()];
        for (const auto kind : {GrammarKind::kRegex, GrammarKind::kEbnf, GrammarKind::kJsonSchema}) {
            compiled += compile_grammar({kind, kind == GrammarKind::kEbnf ? "root ::= " + text : text}, limits).ok();
        }
    }
    EXPECT_GT(compiled, 200u);
}

}  // namespace
}  // namespace hone::text
