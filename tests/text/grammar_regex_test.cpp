#include <random>

#include "tests/text/grammar_texts.h"
#include "text/grammar/regular_expression.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace hone::text {

static GrammarTexts regex(std::string_view pattern) {
    return GrammarTexts(grammar_of_regular_expression(pattern));
}

TEST(GrammarRegex, Syntax) {
    regex("a|b*c+?").expect({"a", "c", "bbcc"}, {"", "b", "ac"});
    regex(R"(\d{2,3}-\w+\s\S\D\W)").expect({"12-ab_ x!?"}, {"1-a xy?", "12-a xy?z"});
    regex(R"((?:ab|(?P<n>c))(?<m>d)?)").expect({"ab", "cd"}, {"abc"});
    regex(R"([^\]a-c\d][\w.-][]x])").expect({"z-]", "q.x"}, {"a-]", "1.x", "z-y"});
    regex(R"(\x41\u00e9\u{1F600}\.\/\-)").expect({"Aé😀./-"}, {"Aé😀x/-"});
    regex(R"(^abc$)").expect({"abc"}, {"^abc$"});
    regex(R"((^a|b$))").expect({"a", "b"}, {"ab"});
    regex(R"(a{,2}x{y})").expect({"x{y}", "aax{y}"}, {"aaax{y}"});
    regex(R"(\p{Lu}\P{L}[\p{Greek}]+)").expect({"Ä1αβ"}, {"ä1α", "Äbα"});
    regex("a.c").expect({"abc", "a€c"}, {"a\nc", "ac"});
    regex("").expect({""}, {"a"});
}

TEST(GrammarRegex, PartsOfATextUnlessAnchored) {
    const auto part = [](std::string_view pattern) {
        GrammarBuilder builder;
        const auto root = add_regular_expression(builder, pattern, RegexScope::kPart);
        return GrammarTexts(root ? builder.build(*root) : Result<Grammar>(root.error()));
    };
    part("ab").expect({"ab", "xaby", "aab"}, {"ba", ""});
    part("^ab").expect({"ab", "aby"}, {"xab"});
    part("ab$").expect({"ab", "xab"}, {"abx"});
    part("^(a|b)$").expect({"a", "b"}, {"ab"});
    part("(^a|b$)").expect({"ax", "xb"}, {"xa", "bx"});
    part("^a|b$").expect({"ax", "xb"}, {"xa", "bx"});
}

TEST(GrammarRegex, JsonFormEscapes) {
    GrammarBuilder builder;
    const auto root = add_regular_expression(builder, R"(["\\\n\x01a]+)", RegexScope::kWhole, CharacterForm::kJson);
    ASSERT_TRUE(root.ok());
    GrammarTexts(builder.build(*root)).expect({R"(\"\\\n\u0001a)"}, {R"(")", "\n", R"(\u0061)", R"(\t)"});
}

TEST(GrammarRegex, MistakesAndWhatIsNotRegular) {
    for (const auto& [pattern, reason] :
         std::vector<std::pair<std::string, std::string>>{{"(?=a)b", "look-around"},
                                                          {"(?<!a)b", "look-around"},
                                                          {R"((a)\1)", "back references"},
                                                          {R"(\bword)", "escape"},
                                                          {"(?i)a", "groups of this kind"},
                                                          {"(?>a)", "groups of this kind"},
                                                          {"a++", "possessive"},
                                                          {"a**", "quantifier"},
                                                          {"*a", "nothing to repeat"},
                                                          {"(a", "missing )"},
                                                          {"a)", "unbalanced"},
                                                          {"[a", "missing ]"},
                                                          {"a^b", "anchor"},
                                                          {"a$b", "anchor"},
                                                          {"[b-a]", "not a range"},
                                                          {R"(\p{Nonsense})", "property"},
                                                          {"\\", "backslash"},
                                                          {R"(\x4)", "number of a character"},
                                                          {"a{5,2}", "wrong way"},
                                                          {R"(\ud800)", "not a Unicode"},
                                                          {"[[:alpha:]]", "POSIX"},
                                                          {"(a{1000}){1000}{2}", "quantifier"},
                                                          {"(((((a{16}){16}){16}){16}){16}){16}", "too large"}}) {
        const auto result = regex(pattern);
        ASSERT_FALSE(result.ok()) << pattern;
        EXPECT_NE(result.error().find(reason), std::string::npos) << pattern << ": " << result.error();
    }
    EXPECT_FALSE(regex(std::string(5000, '(')).ok());
}

namespace {

class Pcre {
  public:
    explicit Pcre(const std::string& pattern) {
        int code;
        PCRE2_SIZE at;
        code_ =
            pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                          PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, nullptr);
        data_ = pcre2_match_data_create(1, nullptr);
    }
    ~Pcre() {
        pcre2_code_free(code_);
        pcre2_match_data_free(data_);
    }
    bool ok() const { return code_ != nullptr; }
    bool matches(const std::string& text) const {
        return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, data_, nullptr) >= 0;
    }

  private:
    pcre2_code* code_;
    pcre2_match_data* data_;
};

class RandomPatterns {
  public:
    explicit RandomPatterns(uint32_t seed) : random_(seed) {}

    std::string pattern(int depth = 0) {
        std::string out;
        const int parts = pick(1, 4);
        for (int i = 0; i < parts; i++) {
            if (i > 0 && pick(0, 4) == 0) out += '|';
            out += atom(depth);
            if (pick(0, 2) == 0) out += one_of({"*", "+", "?", "{2}", "{1,3}", "{0,2}", "*?", "+?", "??"});
        }
        return out;
    }

    std::string text() {
        std::string out;
        for (int i = pick(0, 7); i > 0; i--) out += one_of({"a", "b", "c", "-", "1", " ", "é", "\n", "_", "Z"});
        return out;
    }

  private:
    int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
    std::string one_of(const std::vector<std::string>& ways) {
        return ways[pick(0, static_cast<int>(ways.size()) - 1)];
    }
    std::string atom(int depth) {
        if (depth < 3 && pick(0, 3) == 0) return (pick(0, 1) ? "(" : "(?:") + pattern(depth + 1) + ")";
        return one_of({"a",      "b",          "c",        "1",     "é",     ".",     R"(\d)",
                       R"(\w)",  R"(\s)",      R"(\D)",    R"(\W)", R"(\S)", "[ab]",  "[^a]",
                       "[a-c1]", R"([^\d\s])", R"([\w-])", "-",     " ",     R"(\n)", "[é-ü]"});
    }

    std::mt19937 random_;
};

}  // namespace

TEST(GrammarRegex, AgreesWithPcreOnRandomPatterns) {
    RandomPatterns random(7);
    int matched = 0;
    for (int round = 0; round < 400; round++) {
        const std::string pattern = random.pattern();
        const Pcre oracle(pattern);
        ASSERT_TRUE(oracle.ok()) << pattern;
        const auto ours = regex(pattern);
        ASSERT_TRUE(ours.ok()) << pattern << ": " << ours.error();
        for (int i = 0; i < 40; i++) {
            const std::string text = random.text();
            matched += oracle.matches(text);
            ASSERT_EQ(ours.takes(text), oracle.matches(text)) << pattern << " on '" << text << "'";
        }
    }
    EXPECT_GT(matched, 500);
}

}  // namespace hone::text
