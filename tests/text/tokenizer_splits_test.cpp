// Where the published patterns cut: golden text/pretokenizers, through PCRE2 and through the hand-written scanners, and
// the two against each other on random text.
#include <random>

#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include "tests/text/tokenizer_golden.h"
#include "text/tokenizer/pretokenizer.h"

namespace hone::text {
namespace {

namespace json = boost::json;
using MakePattern = std::function<std::unique_ptr<Pattern>(const std::string&, RegexDialect)>;

// The texts end, in code points, of the pieces that a sequence of isolating splits gives.
std::vector<size_t> ends_of(const PreTokenizer& splits, const std::string& text) {
    std::vector<size_t> ends;
    size_t end = 0;
    splits.cut(Piece{text, nullptr, true}, [&](Piece piece) {
        end += count_code_points(piece.text);
        ends.push_back(end);
    });
    return ends;
}

PreTokenizerPtr make_splits(const std::string& family, const json::value& expressions, const MakePattern& make) {
    const RegexDialect dialect = family == "cl100k" ? RegexDialect::kRust : RegexDialect::kOniguruma;
    std::vector<PreTokenizerPtr> steps;
    for (const auto& expression : expressions.as_array()) {
        steps.push_back(
            make_split(make(json::value_to<std::string>(expression), dialect), SplitBehavior::kIsolated, false));
    }
    return make_sequence(std::move(steps));
}

std::unique_ptr<Pattern> scanner(const std::string& expression, RegexDialect) {
    auto made = make_scanner(expression);
    CHECK(made != nullptr, "no scanner for {}", expression);
    return made;
}

std::unique_ptr<Pattern> regex(const std::string& expression, RegexDialect dialect) {
    auto made = make_regex(expression, dialect);
    CHECK(made.ok(), "{}", made.error().message);
    return std::move(*made);
}

const json::object& golden_patterns() {
    static const json::value patterns = read_json(golden_text() / "pretokenizers" / "patterns.json");
    return patterns.as_object();
}

void expect_golden_cuts(const MakePattern& make) {
    const auto rows = read_json_lines(golden_text() / "pretokenizers" / "splits.jsonl");
    ASSERT_GT(rows.size(), 100u);
    for (const auto& [family, expressions] : golden_patterns()) {
        const auto splits = make_splits(family, expressions, make);
        for (const auto& row : rows) {
            const auto text = json::value_to<std::string>(row.at("text"));
            EXPECT_EQ(ends_of(*splits, text), json::value_to<std::vector<size_t>>(row.at("ends").at(family)))
                << std::string_view(family) << " on " << json::serialize(row.at("text"));
        }
    }
}

TEST(TokenizerSplits, Pcre2CutsAsTheOracle) {
    expect_golden_cuts(regex);
}

TEST(TokenizerSplits, ScannersCutAsTheOracle) {
    expect_golden_cuts(scanner);
}

// Characters that the patterns tell apart, and any others that PCRE2's Unicode tables know as well as ICU's.
std::string random_text(std::mt19937& random) {
    static const std::u32string kProbes =
        U"aZzé'’stmdlrveSTREVLſ "
        U"\t\n\r\u00A0\u0085\u2028\u3000\u180E\u200B0129٣½Ⅷ中々〇〆ーゟ龥龦\u2E80한ǅʰªßΣσДд\u0301\u0300\u20DD"
        U"!?.,/\\-_[]{}$€+=😀\U0001F3FB\u0000\u0001\u007F\uE000\U00020000";
    std::string text;
    const size_t length = random() % 40;
    while (text.size() < length) {
        char32_t code = kProbes[random() % kProbes.size()];
        if (random() % 8 == 0) code = random() % 0x30000;
        UVersionInfo age;
        u_charAge(static_cast<UChar32>(code), age);
        if ((code >= 0xD800 && code < 0xE000) || age[0] == 0 || age[0] > 11) continue;
        const size_t repeat = random() % 5 == 0 ? 1 + random() % 4 : 1;
        for (size_t i = 0; i < repeat; ++i) append_utf8(text, code);
    }
    return text;
}

TEST(TokenizerSplits, ScannersCutAsPcre2OnRandomText) {
    std::mt19937 random(20260311);
    for (const auto& [family, expressions] : golden_patterns()) {
        const auto fast = make_splits(family, expressions, scanner), slow = make_splits(family, expressions, regex);
        for (int i = 0; i < 4000; ++i) {
            const std::string text = random_text(random);
            ASSERT_EQ(ends_of(*fast, text), ends_of(*slow, text))
                << std::string_view(family) << " on " << json::serialize(text);
        }
    }
}

// Long runs of every kind take linear time (a quadratic scan of 2 MB would not end within the test's time limit).
TEST(TokenizerSplits, LongRunsAreLinear) {
    for (const auto& [family, expressions] : golden_patterns()) {
        const auto splits = make_splits(family, expressions, scanner);
        for (const std::string unit :
             {"a", "A", "1", " ", "\n", " \n", "!", "中", "\u0301", "'", "'s", "Aa", " a", "\x01"}) {
            std::string text;
            while (text.size() < (1 << 21)) text += unit;
            const auto ends = ends_of(*splits, text);
            EXPECT_EQ(ends.back(), count_code_points(text));
        }
    }
}

struct Cut {
    const char* expression;
    RegexDialect dialect;
    const char* text;
    std::vector<size_t> ends;
};

TEST(TokenizerSplits, DialectsAreTranslated) {
    const std::vector<Cut> cuts = {
        {R"(\s)", RegexDialect::kRust, "a\u180Eb\u0085c", {3, 4, 5}},  // U+180E is no white space, U+0085 is
        {R"([^\S\n]+)", RegexDialect::kRust, "a \tb\nc", {1, 3, 6}},
        {R"(\p{Han}+)", RegexDialect::kRust, "〆中〆", {1, 2, 3}},  // U+3006 is Common with a Han extension
        {R"([\p{Lu}&&[^A-C]]+)", RegexDialect::kOniguruma, "ABXYa", {2, 4, 5}},
        {R"([a-c[x-z]]+)", RegexDialect::kOniguruma, "abxyd", {4, 5}},
        {R"([\w&&\D]+)", RegexDialect::kRust, "ab12", {2, 4}},
        {R"(a$)", RegexDialect::kRust, "a\na", {2, 3}},           // the end of the text
        {R"(a$)", RegexDialect::kOniguruma, "a\nba", {1, 3, 4}},  // the end of a line
        {R"((?=b))", RegexDialect::kRust, "abab", {1, 3, 4}},     // empty matches cut as well
        {R"((?i:k))", RegexDialect::kRust, "xK\u212A", {1, 2, 3}},
        {R"([^(\s|[.,!?…])]+)", RegexDialect::kOniguruma, "ab. c", {2, 4, 5}},  // a class in a class
        // Circled letters are letters of words, joiners only in Rust; superscripts only outside a class.
        {R"(\w+)", RegexDialect::kOniguruma, "a\u24B6\u00B2\u200Db", {3, 4, 5}},
        {R"([\w]+)", RegexDialect::kOniguruma, "a\u24B6\u00B2\u200Db", {2, 4, 5}},
        {R"(\w+)", RegexDialect::kRust, "a\u24B6\u00B2\u200Db", {2, 3, 5}},
        {R"([\W]+)", RegexDialect::kOniguruma, "a-+b", {1, 3, 4}},
        {R"([[:alpha:]\d]+)", RegexDialect::kOniguruma, "aé1-", {3, 4}},
        {R"([[:alpha:]]+)", RegexDialect::kRust, "aé1", {1, 3}},  // ASCII
        {R"([[:^punct:]]+)", RegexDialect::kOniguruma, "a+b¢c", {1, 2, 3, 4, 5}},
        {R"(\p{Punct}+)", RegexDialect::kOniguruma, "a!?+", {1, 3, 4}},
        {R"(\p{Letter}+)", RegexDialect::kRust, "ab1", {2, 3}},
    };
    for (const Cut& cut : cuts) {
        const auto splits = make_split(regex(cut.expression, cut.dialect), SplitBehavior::kIsolated, false);
        EXPECT_EQ(ends_of(*splits, cut.text), cut.ends) << cut.expression;
    }
}

TEST(TokenizerSplits, BadPatternsAreErrors) {
    for (const char* expression :
         {"(", "[a", "a\\", "\\p{L", "\\p{Nonsense}", "[a&&[b]", "[[:nonsense:]]", "x{1,2}+"}) {
        const auto made = make_regex(expression, RegexDialect::kOniguruma);
        ASSERT_FALSE(made.ok()) << expression;
        EXPECT_NE(made.error().message.find("pattern"), std::string::npos) << made.error().message;
    }
}

std::vector<std::string> pieces_of(const PreTokenizer& splits, const std::string& text) {
    std::vector<std::string> pieces;
    splits.cut(Piece{text, nullptr, true}, [&](Piece piece) { pieces.emplace_back(piece.text); });
    return pieces;
}

// The five behaviours, as the documentation of `tokenizers` shows them for "the-final--countdown" at '-'.
TEST(TokenizerSplits, Behaviors) {
    using Pieces = std::vector<std::string>;
    const auto cut = [](SplitBehavior behavior, bool invert = false) {
        return pieces_of(*make_split(make_literal("-"), behavior, invert), "the-final--countdown");
    };
    EXPECT_EQ(cut(SplitBehavior::kRemoved), (Pieces{"the", "final", "countdown"}));
    EXPECT_EQ(cut(SplitBehavior::kRemoved, true), (Pieces{"-", "-", "-"}));
    EXPECT_EQ(cut(SplitBehavior::kIsolated), (Pieces{"the", "-", "final", "-", "-", "countdown"}));
    EXPECT_EQ(cut(SplitBehavior::kMergedWithPrevious), (Pieces{"the-", "final-", "-", "countdown"}));
    EXPECT_EQ(cut(SplitBehavior::kMergedWithNext), (Pieces{"the", "-final", "-", "-countdown"}));
    EXPECT_EQ(cut(SplitBehavior::kContiguous), (Pieces{"the", "-", "final", "--", "countdown"}));
}

}  // namespace
}  // namespace hone::text
