#include <functional>

#include "tests/text/grammar_texts.h"
#include "text/grammar/grammar_cache.h"

namespace hone::text {

static GrammarTexts schema(std::string_view text, JsonSchemaOptions options = {}) {
    return GrammarTexts(compile_grammar({.kind = GrammarKind::kJsonSchema,
                                         .text = std::string(text),
                                         .whitespace = options.whitespace,
                                         .open_objects = options.open_objects}));
}

TEST(GrammarSchema, Types) {
    schema(R"({"type":"null"})").expect({"null"}, {"0", ""});
    schema(R"({"type":"boolean"})").expect({"true", "false"}, {"1"});
    schema(R"({"type":"integer"})").expect({"0", "-1", "120"}, {"-0", "01", "1.5", "1e3", "-", ""});
    schema(R"({"type":"number"})").expect({"0", "-1.25", "3e-7", "-0"}, {"01", "1.", ".5", "1e"});
    schema(R"({"type":"string"})")
        .expect({R"("")", R"("a\n\u00e9\ud83d\ude00é")"}, {R"("\ud83d")", R"("\x")", "\"\n\"", R"(")", "a"});
    schema(R"({"type":["string","null"]})").expect({R"("x")", "null"}, {"1"});
    schema("true").expect({R"({"a":[1,{"b":null}]})", "[]", "1"}, {"", "{]", "[1,]", R"({"a":1,})", R"({a:1})"});
    EXPECT_FALSE(schema("false").ok());
    schema(R"({"type":"object"})").expect({"{}", R"({"a":{}})"}, {"[]"});
    schema(R"({"type":"array"})").expect({"[]", "[1, [2]]"}, {"{}"});
}

TEST(GrammarSchema, WhiteSpace) {
    const std::string_view text =
        R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}}},"required":["a"]})";
    schema(text).expect({R"({"a":[1,2]})", R"({ "a": [ 1 , 2 ] })", "{\n  \"a\": [\n    1,\n    2\n  ]\n}"},
                        {R"({"a" :[]})", R"( {"a":[]})", R"({"a":[]} )", R"({  "a":[]})", "{\n\n\"a\":[]}"});
    schema(text, {.whitespace = JsonWhitespace::kCompact}).expect({R"({"a":[1,2]})"}, {R"({"a": [1]})"});
    schema(text, {.whitespace = JsonWhitespace::kSpaced}).expect({R"({"a": [1, 2]})"}, {R"({"a":[1]})"});
}

TEST(GrammarSchema, MembersInOrder) {
    const auto some =
        schema(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},"c":{"type":"null"}},
                                "required":["b"],"additionalProperties":false})");
    some.expect({R"({"b":""})", R"({"a":1,"b":"","c":null})", R"({"b":"","c":null})"},
                {"{}", R"({"a":1})", R"({"b":"","a":1})", R"({"b":"","d":1})", R"({"b":"",})", R"({,"b":""})"});
    const auto open =
        schema(R"({"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"boolean"}})");
    open.expect({"{}", R"({"a":1})", R"({"a":1,"x":true,"y":false})", R"({"x":true})", R"({"aa":true,"":false})"},
                {R"({"x":1})", R"({"a":true})", R"({"x":true,"a":1})"});
    schema(R"({"properties":{"a\n\"":{}},"required":["a\n\"","z"]})")
        .expect({R"({"a\n\"":1,"z":[]})"}, {R"({"a\n\"":1})", "1"});
    schema(R"({"type":"object","properties":{"a":{}}})", {.open_objects = false})
        .expect({R"({"a":1})"}, {R"({"b":1})"});
}

TEST(GrammarSchema, PatternsOfNames) {
    const auto both = schema(R"({"type":"object","properties":{"x_1":{"type":"integer"}},
        "patternProperties":{"^x_":{"minimum":5,"type":"integer"},"_s$":{"type":["string","integer"]}},"additionalProperties":false})");
    both.expect({R"({"x_1":7})", R"({"x_2":5,"a_s":"","x_s":6})"},
                {R"({"x_1":4})", R"({"y":1})", R"({"x_s":""})", R"({"a_s":null})"});
}

TEST(GrammarSchema, CountsOfMembers) {
    const auto counted = schema(R"({"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}},
        "additionalProperties":{"type":"null"},"minProperties":2,"maxProperties":3})");
    counted.expect({R"({"a":1,"b":2})", R"({"a":1,"b":2,"c":3})", R"({"c":3,"z":null})", R"({"y":null,"z":null})"},
                   {"{}", R"({"a":1})", R"({"a":1,"b":2,"c":3,"d":null})"});
    schema(R"({"type":"object","maxProperties":0})").expect({"{}"}, {R"({"a":1})"});
}

static std::string list_of(int items) {
    std::string list = "[1";
    for (int i = 1; i < items; i++) list += ",1";
    return list + "]";
}

TEST(GrammarSchema, Arrays) {
    schema(R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})")
        .expect({"[1,2]", "[1,2,3]"}, {"[1]", "[]", "[1,2,3,4]", R"([1,""])"});
    schema(R"({"prefixItems":[{"type":"integer"},{"type":"string"}],"items":false})")
        .expect({"[]", "[1]", R"([1,"a"])"}, {R"(["a"])", R"([1,"a",2])"});
    schema(R"({"prefixItems":[{"type":"integer"}],"items":{"type":"null"},"minItems":1,"maxItems":3})")
        .expect({"[1]", "[1,null,null]"}, {"[]", "[1,2]", "[1,null,null,null]"});
    schema(R"({"items":[{"type":"integer"}],"additionalItems":{"type":"null"}})").expect({"[]", "[1,null]"}, {"[1,1]"});
    schema(R"({"type":"array","maxItems":0})").expect({"[]"}, {"[1]"});
    schema(R"({"type":"array","items":{"const":1},"minItems":300,"maxItems":400})")
        .expect({list_of(300), list_of(400)}, {"[]", "[1]", list_of(299), list_of(401)});
}

TEST(GrammarSchema, Strings) {
    schema(R"({"type":"string","minLength":2,"maxLength":3})")
        .expect({R"("ab")", R"("é😀x")", R"("\n\u0041")", R"("\ud83d\ude00a")"},
                {R"("a")", R"("abcd")", R"("\ud83d\ude00")"});
    schema(R"({"type":"string","pattern":"^[a-c]+$"})").expect({R"("abc")"}, {R"("")", R"("d")", "abc"});
    schema(R"({"type":"string","pattern":"b","maxLength":2})")
        .expect({R"("b")", R"("ab")", R"("b\n")"}, {R"("a")", R"("aab")"});
    schema(R"({"minLength":300})").expect({"\"" + std::string(300, 'x') + "\""}, {"\"" + std::string(299, 'x') + "\""});
}

TEST(GrammarSchema, IntegersAreExact) {
    for (const auto& [low, high] : std::vector<std::pair<int, int>>{
             {0, 0}, {-5, 12}, {7, 1234}, {-250, -3}, {99, 101}, {-1, 1}, {-9, 0}, {10, 9}}) {
        const auto range = schema(fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", low, high));
        if (low > high) {
            EXPECT_FALSE(range.ok());
            continue;
        }
        ASSERT_TRUE(range.ok()) << range.error();
        EXPECT_FALSE(range.takes("-0"));
        for (int i = -1300; i <= 1300; i++)
            EXPECT_EQ(range.takes(std::to_string(i)), i >= low && i <= high) << i << " in " << low << " " << high;
    }
    schema(R"({"type":"integer","exclusiveMinimum":1.5,"exclusiveMaximum":5})").expect({"2", "4"}, {"1", "5"});
    schema(R"({"type":"integer","minimum":123456789012345678})")
        .expect({"123456789012345678", "999999999999999999"}, {"123456789012345677"});
    schema(R"({"type":"integer","exclusiveMaximum":0})").expect({"-1", "-1000"}, {"0", "1"});
}

TEST(GrammarSchema, NumbersAreExact) {
    struct Case {
        double low, high;
        bool low_open, high_open;
    };
    for (const Case& c : {Case{0, 1, false, false}, Case{0, 1, true, true}, Case{-1.5, 2.25, false, true},
                          Case{0.05, 0.15, false, false}, Case{-0.3, -0.1, true, false},
                          Case{9.99, 100.01, true, false}, Case{2, 2, false, false}, Case{-2, 0, false, true}}) {
        const auto range =
            schema(fmt::format(R"({{"type":"number","{}":{},"{}":{}}})", c.low_open ? "exclusiveMinimum" : "minimum",
                               c.low, c.high_open ? "exclusiveMaximum" : "maximum", c.high));
        ASSERT_TRUE(range.ok()) << range.error();
        for (int i = -30000; i <= 110000; i += i > -400 && i < 300 ? 1 : 37) {
            const double value = i / 100.0;
            const bool inside =
                (c.low_open ? value > c.low : value >= c.low) && (c.high_open ? value < c.high : value <= c.high);
            for (const std::string& text :
                 {fmt::format("{:.2f}", value), fmt::format("{:.4f}", value), fmt::format("{}", value)}) {
                if (i == 0 && text[0] == '-') continue;
                EXPECT_EQ(range.takes(text), inside) << text << " in " << c.low << " " << c.high;
            }
        }
    }
    schema(R"({"type":"number","minimum":3})").expect({"3", "3.0", "1000000"}, {"2.9", "3e1", "-3"});
    schema(R"({"type":"number","maximum":-0.5})").expect({"-0.5", "-0.51", "-1", "-100.25"}, {"-0.4", "0", "0.5"});
    // A number of more digits than the bound.
    schema(R"({"type":"number","exclusiveMinimum":0.1})").expect({"0.10000001"}, {"0.1", "0.1000", "0.0999"});
}

TEST(GrammarSchema, EnumAndConst) {
    schema(R"({"enum":["a","b\"",1,2.5,null,true,[1,{"x":[]}]]})")
        .expect({R"("a")", R"("b\"")", "1", "2.5", "null", "true", R"([1, {"x": []}])"}, {"2", R"("c")", "[1]"});
    schema(R"({"type":"string","enum":["a",1,"bcd"],"minLength":2})").expect({R"("bcd")"}, {R"("a")", "1"});
    schema(R"({"const":{"a":1}})").expect({R"({"a":1})", R"({ "a": 1 })"}, {"{}"});
    schema(R"({"enum":[1,2,3,4.5],"type":"integer","minimum":2})").expect({"2", "3"}, {"1", "4.5"});
    EXPECT_FALSE(schema(R"({"enum":[1],"const":2})").ok());
}

TEST(GrammarSchema, Combinations) {
    schema(R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})")
        .expect({"1", R"("a")"}, {R"("ab")", "null"});
    schema(R"({"oneOf":[{"type":"integer"},{"type":"null"}]})").expect({"1", "null"}, {"true"});
    schema(R"({"allOf":[{"type":"integer","minimum":3},{"maximum":5},{"type":["integer","string"]}]})")
        .expect({"3", "5"}, {"2", "6", R"("")"});
    schema(
        R"({"type":"object","properties":{"k":{"type":"string"}},"anyOf":[{"required":["k"]},{"properties":{"n":{"type":"null"}},"required":["n"]}],
              "additionalProperties":{"type":"null"}})")
        .expect({R"({"k":"a"})", R"({"n":null})", R"({"k":"a","n":null})"}, {"{}", R"({"n":1})"});
    schema(
        R"({"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"a":{"minimum":2},"b":{"const":1}}}],"additionalProperties":true})")
        .expect({R"({"a":2})", R"({"a":3,"b":1})"}, {R"({"a":1})", "{}", R"({"a":2,"b":2})"});
    // The conjunction of patterns.
    schema(R"({"type":"string","allOf":[{"pattern":"a"},{"pattern":"b"},{"maxLength":2}]})")
        .expect({R"("ab")", R"("ba")"}, {R"("a")", R"("aab")"});
}

TEST(GrammarSchema, References) {
    const auto tree =
        schema(R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},
        "children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["v"],"additionalProperties":false}}})");
    tree.expect({R"({"v":1})", R"({"v":1,"children":[{"v":2,"children":[]},{"v":3}]})"},
                {"{}", R"({"v":1,"children":[{}]})"});
    schema(R"({"properties":{"a":{"$ref":"#/definitions/x~1y%20z"}},"definitions":{"x/y z":{"type":"null"}}})")
        .expect({R"({"a":null})"}, {R"({"a":1})"});
    schema(R"({"type":["array","null"],"items":{"$ref":"#"}})").expect({"null", "[[],null]"}, {"[1]"});
    // A member that could only go on for ever is left out.
    schema(
        R"({"type":"object","properties":{"next":{"$ref":"#/$defs/loop"},"a":{"const":1}},"additionalProperties":false,
              "$defs":{"loop":{"type":"object","properties":{"next":{"$ref":"#/$defs/loop"}},"required":["next"]}}})")
        .expect({"{}", R"({"a":1})"}, {R"({"next":{}})"});
}

TEST(GrammarSchema, Formats) {
    const auto format = [](std::string_view name) {
        return schema(fmt::format(R"({{"type":"string","format":"{}"}})", name));
    };
    format("date").expect({R"("2024-02-29")", R"("1999-12-31")"},
                          {R"("2023-02-29")", R"("2023-13-01")", R"("2023-1-1")"});
    format("time").expect({R"("23:59:59Z")", R"("00:00:00.123+01:30")"}, {R"("24:00:00Z")", R"("12:00Z")"});
    format("date-time").expect({R"("2024-02-29T12:00:00Z")"}, {R"("2024-02-29 12:00:00Z")"});
    format("duration").expect({R"("P1Y2M3DT4H5M6S")", R"("PT1S")", R"("P2W")"}, {R"("P")", R"("PT")"});
    format("uuid").expect({R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123e4567")"});
    format("email").expect({R"("a.b+c@example.org")"}, {R"("a@")", R"("@b.c")"});
    format("hostname").expect({R"("a-b.example")"}, {R"("-a")", R"("")"});
    format("ipv4").expect({R"("255.0.10.1")"}, {R"("256.1.1.1")", R"("1.1.1")"});
    format("ipv6").expect({R"("::1")", R"("2001:db8::ff00:42:8329")", R"("1:2:3:4:5:6:7:8")", R"("::ffff:1.2.3.4")"},
                          {R"("1::2::3")", R"("1:2")"});
    format("uri").expect({R"("https://a.b/c?d=%20#e")"}, {R"("a b")"});
    format("uri-reference").expect({R"("/a/b?c")", R"("")"}, {R"("a b")"});
    format("json-pointer").expect({R"("/a~1b/0")", R"("")"}, {R"("a")"});
    format("unknown-format").expect({R"("anything")"}, {"1"});
}

TEST(GrammarSchema, WhatCannotBeFollowedIsNamed) {
    const auto fails = [](std::string_view text, std::string_view pointer, std::string_view keyword) {
        const auto result = schema(text);
        ASSERT_FALSE(result.ok()) << text;
        EXPECT_NE(result.error().find(pointer), std::string::npos) << result.error();
        EXPECT_NE(result.error().find(keyword), std::string::npos) << result.error();
    };
    fails(R"({"properties":{"a/b":{"not":{}}}})", "#/properties/a~1b", "not");
    fails(R"({"type":"array","uniqueItems":true})", "#", "uniqueItems");
    fails(R"({"anyOf":[{},{"multipleOf":3}]})", "#/anyOf/1", "multipleOf");
    fails(R"({"$ref":"http://x/y"})", "#", "$ref");
    fails(R"({"$ref":"#/$defs/none"})", "#", "$ref");
    fails(R"({"type":"strange"})", "#", "type");
    fails(R"({"items":3})", "#/items", "schema");
    fails(R"({"minLength":-1})", "#", "minLength");
    fails(R"x({"properties":{"a":{"pattern":"(?=a)"}}})x", "#/properties/a: pattern:", "look-around");
    fails(R"x({"items":{"pattern":"a{200000}"}})x", "#/items: pattern:", "more than 100000");
    fails(R"x({"anyOf":[{},{"patternProperties":{"(?=a)":{}},"required":["b"]}]})x",
          "#/anyOf/1/patternProperties/(?=a):", "look-around");
    fails(R"x({"items":{"patternProperties":{"(?=a)":{}}}})x", "#/items/patternProperties/(?=a):", "look-around");
    fails(R"({"items":{"patternProperties":{"a":{},"b":{},"c":{},"d":{},"e":{}}}})",
          "#/items: patternProperties:", "more than 4");
    fails(R"({"items":{"type":"object","minProperties":30000}})", "#/items: minProperties", "too many");
    fails(R"({"items":{"anyOf":[true,{"enum":[[1]],"minItems":1}]}})", "#/items/anyOf/1: enum:", "not supported");
    fails(R"({"items":{"const":1e300,"minimum":1}})", "#/items: const:", "too large");
    fails(R"({"properties":{"a":{"minLength":200000}}})", "#/properties/a: minLength", "more than 100000");
    fails(R"({"properties":{"a":{"minItems":200000}}})", "#/properties/a: minItems", "more than 100000");
    fails(R"({"required":"a"})", "#", "required");
    fails(R"({"allOf":[{"$ref":"#"}]})", "#", "refers to itself");
    fails("{", "schema", "JSON");
}

TEST(GrammarSchema, WhatNothingSatisfiesIsAnErrorThatNamesKeywordAndPlace) {
    const auto fails = [](std::string_view text, std::string_view pointer, std::string_view keyword) {
        const auto result = schema(text);
        ASSERT_FALSE(result.ok()) << text;
        for (const std::string_view part : {pointer, keyword, std::string_view("no value satisfies the schema")})
            EXPECT_NE(result.error().find(part), std::string::npos) << result.error();
    };
    const auto member = [](std::string_view of_a) {
        return fmt::format(R"({{"type":"object","properties":{{"a":{}}},"required":["a"]}})", of_a);
    };
    const std::string a = "#/properties/a: ";
    fails(member(R"({"type":"integer","minimum":9,"maximum":3})"), a, "minimum and maximum");
    fails(member(R"({"type":"number","exclusiveMinimum":3,"maximum":3})"), a, "exclusiveMinimum and maximum");
    fails(member(R"({"type":"string","minLength":3,"maxLength":2})"), a, "minLength is more than maxLength");
    fails(member(R"({"type":"array","minItems":3,"maxItems":2})"), a, "minItems is more than maxItems");
    fails(member(R"({"type":"object","minProperties":3,"maxProperties":2})"), a, "minProperties is more");
    fails(member(R"({"type":"string","const":3})"), a, "const");
    fails(member(R"({"type":"string","enum":[1,null]})"), a, "enum");
    fails(member(R"({"enum":[]})"), a, "enum");
    fails(member(R"({"allOf":[{"type":"string"},{"type":"null"}]})"), a, "type");
    fails(member(R"({"type":"integer","allOf":[{"minimum":9},{"maximum":3}]})"), a, "minimum and maximum");
    fails(member("false"), "#: ", "required: no member 'a'");
    fails(R"({"type":"object","properties":{},"required":["a"],"additionalProperties":false})", "#: ", "required");
    fails("false", "schema", "");
    fails(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})", "schema", "");
    fails(R"({"type":"integer","minimum":3.2,"maximum":3.8})", "schema", "");
    // Where it may be left out, it is.
    schema(R"({"type":"object","properties":{"a":{"minimum":9,"maximum":3}}})").expect({"{}"}, {R"({"a":5})"});
    schema(R"({"anyOf":[{"type":"integer","minimum":9,"maximum":3},{"type":"null"}]})").expect({"null"}, {"5"});
}

// As generators of schemas write that there is none.
TEST(GrammarSchema, BoundsThatNothingReachesAreNone) {
    for (const char* bound : {"2147483647", "9223372036854775807", "200000"}) {
        schema(fmt::format(R"({{"type":"array","items":{{"const":1}},"minItems":1,"maxItems":{}}})", bound))
            .expect({"[1]", list_of(2000)}, {"[]"});
        schema(fmt::format(R"({{"type":"string","minLength":1,"maxLength":{}}})", bound))
            .expect({R"("a")", '"' + std::string(2000, 'x') + '"'}, {R"("")"});
    }
    schema(R"({"type":"string","pattern":"^a+$","maxLength":2147483647})").expect({R"("aaa")"}, {R"("")"});
    schema(R"({"type":"object","properties":{"a":{}},"maxProperties":2147483647})")
        .expect({R"({"a":1,"b":2})"}, {"[]"});
}

// What grows faster than the schema counts as work: an error, and soon, whatever the schema multiplies.
TEST(GrammarSchema, WhatMultipliesIsRefused) {
    const auto list = [](int count, const std::function<std::string(int)>& item) {
        std::string text;
        for (int i = 0; i < count; i++) text += (i ? "," : "") + item(i);
        return text;
    };
    const auto property = [](int i) { return fmt::format(R"("p{}":{{}})", i); };
    const auto empty = [](int) { return std::string("{}"); };
    const auto refused = [](const std::string& text, std::string_view reason) {
        const auto result = schema(text);
        ASSERT_FALSE(result.ok());
        EXPECT_NE(result.error().find(reason), std::string::npos) << result.error();
    };
    // Properties times alternatives.
    refused(fmt::format(R"({{"properties":{{{}}},"anyOf":[{}]}})", list(1500, property), list(512, empty)),
            "too large");
    // Pointers: every one as long as what is around it.
    refused(fmt::format(R"({{"properties":{{"{}":{{"properties":{{{}}}}}}}}})", std::string(100'000, 'x'),
                        list(5000, property)),
            "too large");
    // One large schema in many places.
    refused(
        fmt::format(
            R"({{"$defs":{{"large":{{"properties":{{{}}}}}}},"prefixItems":[{}]}})", list(3000, property),
            list(3000, [](int i) { return fmt::format(R"({{"$ref":"#/$defs/large","minProperties":{}}})", i % 2); })),
        "too large");
    refused(fmt::format(R"({{"properties":{{{}}}}})", list(50'000, property)), "#: properties: 50000 names");
    const std::string numbers = list(50'000, [](int i) { return std::to_string(i * 2); });
    const std::string others = list(50'000, [](int i) { return std::to_string(i * 2 + 1); });
    refused(fmt::format(R"({{"allOf":[{{"enum":[{}]}},{{"enum":[{}]}}]}})", numbers, others), "enum: no value is left");
}

}  // namespace hone::text
