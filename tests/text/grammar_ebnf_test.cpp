#include "tests/text/grammar_texts.h"
#include "text/grammar/ebnf.h"

namespace hone::text {

static GrammarTexts ebnf(std::string_view text) {
    return GrammarTexts(grammar_of_ebnf(text));
}

TEST(GrammarEbnf, LiteralsClassesAndRepetitions) {
    ebnf("root ::= \"a\" [b-d]* [^x-z\\n]").expect({"a!", "abcdq", "aé", "abb"}, {"", "a", "ax", "a\n", "abcdx"});
    ebnf("root ::= 'it''s' (\" \" \"ok\"){2,3} .?")
        .expect({"its ok ok", "its ok ok ok", "its ok ok€"}, {"its ok", "its ok ok ok ok"});
    ebnf("root ::= \"x\"{3} \"y\"{2,} \"z\"+").expect({"xxxyyz", "xxxyyyyzz"}, {"xxyyz", "xxxyz", "xxxyy"});
    ebnf("root ::= [\\x41\\u00e9\\U0001F600] \"\\\"\\\\\\t\"").expect({"A\"\\\t", "é\"\\\t", "😀\"\\\t"}, {"B\"\\\t"});
    ebnf("root ::= [a\\]\\-]+").expect({"a]-"}, {"b"});
    ebnf("root ::= [a-]").expect({"a", "-"}, {"b"});
}

TEST(GrammarEbnf, RulesGoOnOverLinesAndComments) {
    ebnf("# a comment\nroot ::= one\n  | two # another\n\none ::= \"1\"\n two::=\"2\" \n    \"b\"\n")
        .expect({"1", "2b"}, {"2", "1b"});
    ebnf("root ::= ( \"a\" |\n \"b\" )\n").expect({"a", "b"}, {""});
    ebnf("root ::= \"a\" | \n").expect({"a", ""}, {"b"});
}

TEST(GrammarEbnf, RulesMayNest) {
    const auto parentheses = ebnf("root ::= \"(\" root \")\" root | \"\"");
    parentheses.expect({"", "()", "(())()", "((()()))"}, {"(", ")", "(()"});
    const auto sums = ebnf(
        "root ::= sum\nsum ::= sum \"+\" product | product\nproduct ::= product \"*\" [0-9] | [0-9] | \"(\" sum \")\"");
    sums.expect({"1", "1+2*3", "(1+2)*3+(4)"}, {"", "1+", "+1", "(1"});
}

TEST(GrammarEbnf, NestingIsBoundedAndNeverStuck) {
    const auto nested = ebnf("root ::= \"(\" root \")\" | \"x\"");
    EXPECT_TRUE(nested.takes(std::string(100, '(') + "x" + std::string(100, ')')));
    EXPECT_FALSE(nested.takes(std::string(200, '(') + "x" + std::string(200, ')')));
    // What has to follow at the end may be nested deeper than what was opened: room is left for it.
    const auto compiled = grammar_of_ebnf(
        "root ::= \"x\" | \"(\" (root b | \"y\")\nb ::= \"1\" c \"1\"\nc ::= \"2\" d \"2\"\nd ::= \"3\" e \"3\"\ne ::= "
        "\"4\"");
    ASSERT_TRUE(compiled.ok());
    GrammarMatcher matcher(std::make_shared<const TokenGrammar>(*compiled, byte_vocabulary()));
    while (matcher.accept('(')) {
    }
    for (int step = 0; step < 10'000 && !matcher.can_end(); step++) {
        const auto allowed = (*matcher.allowed())->tokens();
        ASSERT_FALSE(allowed.empty()) << step;
        ASSERT_TRUE(matcher.accept(allowed.front()));
    }
    EXPECT_TRUE(matcher.can_end());
    // What is at the end of a rule does not count as nested.
    const auto list = ebnf("root ::= \"a\" root | \"b\"");
    EXPECT_TRUE(list.takes(std::string(5000, 'a') + "b"));
}

TEST(GrammarEbnf, LongRepetitions) {
    const auto many = ebnf("root ::= [a-z]{1000,5000} \"!\"?");
    for (const int count : {1000, 1001, 1064, 4999, 5000}) EXPECT_TRUE(many.takes(std::string(count, 'q'))) << count;
    for (const int count : {0, 1, 999, 5001, 6000}) EXPECT_FALSE(many.takes(std::string(count, 'q'))) << count;
    EXPECT_TRUE(many.takes(std::string(1129, 'q') + "!"));
    const auto least = ebnf("root ::= \"ab\"{300,}");
    const auto times = [](int count) {
        std::string text;
        while (count-- > 0) text += "ab";
        return text;
    };
    EXPECT_FALSE(least.takes(times(299)));
    for (const int count : {300, 301, 1000}) EXPECT_TRUE(least.takes(times(count))) << count;
}

TEST(GrammarEbnf, MistakesAreNamed) {
    const auto fails = [](std::string_view text, std::string_view reason) {
        const auto result = ebnf(text);
        ASSERT_FALSE(result.ok()) << text;
        EXPECT_NE(result.error().find(reason), std::string::npos) << result.error();
    };
    fails("", "no rule 'root'");
    fails("root ::= other", "'other' is not defined");
    fails("root ::= \"a\nb", "does not end");
    fails("root ::= [a", "does not end");
    fails("root ::= (\"a\"", "does not end");
    fails("root ::= \"a\"{3,2}", "wrong way round");
    fails("root ::= \"a\"{2x}", "not a repetition");
    fails("root ::= \"a\"{1000001}", "more than 100000");
    fails("root ::= \"\\q\"", "unknown escape");
    fails("root ::= \"a\"\nroot ::= \"b\"", "defined twice");
    fails("root ::= a \"x\"\na ::= b\nb ::= a \"y\" | \"z\"", "begins with itself");
    fails("root ::= \"x\" root", "no text");
    fails("root = \"x\"", "expected a rule");
    fails("root ::= \"a\" )", "expected a rule");
    fails("root ::= \"\\xff", "does not end");
    fails("root ::= \"a\xff\"", "UTF-8");
    fails("root ::= (((((\"a\"{16}){16}){16}){16}){16}){16}", "too large");
    fails("root ::= (\"a\"?){100}", "may be empty");
    EXPECT_NE(ebnf("root ::= \"a\"\n  ~").error().find("line 2, column 3"), std::string::npos);
}

}  // namespace hone::text
