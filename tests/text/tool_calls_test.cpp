// Reading model output beyond the golden cases: any text in any cut, bounds, detection, values by schema.
#include <ctime>

#include "tests/text/tool_calls_golden.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tools/json_scanner.h"
#include "text/tools/model_dialect.h"
#include "text/tools/typed_value.h"
#include "text/utf8.h"

namespace hone::text {
namespace {

namespace json = boost::json;

// Everything that outputs of any dialect are made of.
std::vector<std::string> fragments() {
    std::vector<std::string> out{"{",   "}", "[",  "]", "\"", "\\", ",", ":", "\n",   " ",
                                 ";",   "<", "</", ">", "=",  "1",  "é", "☔", "null", "\"name\": \"ping\"",
                                 "to=", "`", "```"};
    for (const size_t length : {1020, 1030})
        for (const char byte : {' ', '\n', 'n'}) out.emplace_back(length, byte);
    for (const char* text : {"{\"name\": \"ping\", \"arguments\": {}}", "\"arguments\": {\"code\": \"x\"}",
                             "<function=", "<function=ping>", "</function>", "<parameter=", "<parameter=code>",
                             "</parameter>", "<invoke name=\"run\">", "</invoke>", "<parameter name=\"code\">",
                             "functions.ping:0", "```json\n", "\n```", "analysis", "commentary to=functions.run"})
        out.emplace_back(text);
    for (const Dialect* dialect : dialects())
        for (const std::string_view marker : dialect->markers) {
            out.emplace_back(marker);
            size_t half = marker.size() / 2;
            while (is_continuation(marker[half])) --half;
            out.emplace_back(marker.substr(0, half));
        }
    return out;
}

class AnyOutput : public ::testing::TestWithParam<const Dialect*> {};

TEST_P(AnyOutput, MeansTheSameHoweverItIsCut) {
    const Dialect& dialect = *GetParam();
    std::vector<std::string> pieces = fragments();
    // The dialect's own words more often.
    for (int i = 0; i < 4; ++i)
        for (const std::string_view marker : dialect.markers) pieces.emplace_back(marker);
    Random random(11);
    for (int round = 0; round < 3000; ++round) {
        std::string output;
        for (size_t i = random.below(25); i > 0; --i) output += pieces[random.below(pieces.size())];
        const bool marked = round % 3 == 0;
        ParserOptions options{.in_reasoning = round % 2 == 1, .reads_reasoning = round % 5 != 0};
        if (marked) {
            options.spelling = golden::all_markers_as_tokens(dialect);
            output = golden::with_marks(dialect, output);
        }
        const golden::Told whole = golden::parse(dialect, {output}, options);
        for (const size_t longest : {1, 5, 40}) {
            const golden::Told cut = golden::parse(dialect, golden::cut_at_random(output, random, longest), options);
            ASSERT_EQ(cut, whole) << "round " << round << ": " << output;
        }
        ASSERT_TRUE(is_valid_utf8(whole.reasoning) && is_valid_utf8(whole.content)) << output;
        for (const auto& call : whole.calls) ASSERT_TRUE(is_valid_utf8(call.name + call.arguments + call.id)) << output;
    }
}

// Words between markers: each must be told somewhere.
TEST_P(AnyOutput, LosesNoWord) {
    const Dialect& dialect = *GetParam();
    if (&dialect == &kHarmony || &dialect == &kDeepSeekV3) GTEST_SKIP() << "headers of messages and calls are dropped";
    Random random(12);
    for (int round = 0; round < 2000; ++round) {
        std::string output;
        std::vector<std::string> words;
        for (size_t i = 1 + random.below(12); i > 0; --i) {
            if (random.below(2) == 0) {
                words.push_back("w" + std::to_string(random.below(100000)) + "w");
                output += words.back();
            } else {
                output += dialect.markers[random.below(dialect.markers.size())];
            }
            if (random.below(4) == 0) output += '\n';
        }
        const golden::Told told = golden::parse(dialect, golden::cut_at_random(output, random, 9));
        std::string all = told.reasoning + "|" + told.content;
        for (const auto& call : told.calls) all += "|" + call.name + "|" + call.id + "|" + call.arguments;
        for (const std::string& word : words) ASSERT_NE(all.find(word), all.npos) << word << " of " << output;
    }
}

TEST_P(AnyOutput, OfAnySizeTakesTimeInProportion) {
    const Dialect& dialect = *GetParam();
    std::vector<std::string> floods;
    for (const std::string_view marker : dialect.markers) {
        for (const char* rest : {"", " ", "\n", "{\"a\":\"", "{\"name\": \"ping\", \"arguments\": {}}", "<", "x>"}) {
            std::string flood(dialect.markers[0]);
            while (flood.size() < 200'000) flood.append(marker).append(rest);
            floods.push_back(std::move(flood));
            std::string tail(dialect.markers[0]);
            tail += marker;
            while (tail.size() < 200'000) tail += *rest ? rest : "[";
            floods.push_back(std::move(tail));
        }
    }
    // Behind every part of a call.
    const auto rows = &dialect == &kThink
                          ? std::vector<json::object>()
                          : golden::read_lines(golden::tool_calls_folder() / fmt::format("{}.jsonl", dialect.name));
    const std::string call = rows.empty() ? "" : golden::text_of(rows[std::min<size_t>(1, rows.size() - 1)], "text");
    for (size_t length = 0; length < call.size(); length += 23) {
        for (const char* filler : {" ", "\n", "`", "\"", "<", "{\"a\":", "x"}) {
            std::string flood = call.substr(0, length);
            while (flood.size() < 100'000) flood += filler;
            floods.push_back(std::move(flood));
        }
    }
    for (const std::string& flood : floods) {
        const std::clock_t begin = std::clock();  // of this process alone: others may be busy
        std::vector<std::string> pieces;
        for (size_t at = 0; at < flood.size(); at += 8) pieces.push_back(flood.substr(at, 8));
        golden::parse(dialect, pieces);
        ASSERT_LT(std::clock() - begin, 2 * CLOCKS_PER_SEC) << flood.substr(0, 200);
    }
}

INSTANTIATE_TEST_SUITE_P(All, AnyOutput, ::testing::ValuesIn(dialects().begin(), dialects().end()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(ToolCalls, WhatIsHeldBackIsBounded) {
    const auto parser = golden::make_parser(kQwen3);
    const std::string piece(1 << 16, 'x');
    ParsedOutput out;
    parser->feed("<tool_call>{\"name\": \"", out);
    for (size_t fed = 0; fed <= kLongestHeld + piece.size(); fed += piece.size()) parser->feed(piece, out);
    EXPECT_GT(out.content.size(), kLongestHeld);
    EXPECT_TRUE(out.content.starts_with("<tool_call>{\"name\": \"xxx"));
    EXPECT_TRUE(out.calls.empty());
}

TEST(ToolCalls, ArgumentsOfTokenDialectsAreNotHeldBack) {
    const auto parser = golden::make_parser(kKimiK2);
    ParsedOutput out;
    parser->feed("<|tool_call_begin|>run:0<|tool_call_argument_begin|>{\"code\": \"", out);
    const std::string piece(1 << 16, 'x');
    for (size_t fed = 0; fed <= 2 * kLongestHeld; fed += piece.size()) {
        out = {};
        parser->feed(piece, out);
        ASSERT_EQ(out.calls.size(), 1u);
        ASSERT_EQ(out.calls[0].arguments, piece);
    }
}

TEST(ToolCalls, WithoutToolsTheyAreContent) {
    const std::string output = "<think>a</think><tool_call>{\"name\": \"ping\"}</tool_call>";
    ParserOptions options{.reads_calls = false};
    golden::Told told = golden::parse(kQwen3, {output}, options);
    EXPECT_EQ(told.reasoning, "a");
    EXPECT_EQ(told.content, "<tool_call>{\"name\": \"ping\"}</tool_call>");
    told = golden::parse(kHarmony, {"<|channel|>commentary to=functions.ping<|message|>{}<|call|>"}, options);
    EXPECT_EQ(told.content, "<|channel|>commentary to=functions.ping<|message|>{}");
    EXPECT_TRUE(told.calls.empty());
}

TEST(ToolCalls, TagsOfReasoningThatIsNotReadAreContent) {
    EXPECT_EQ(golden::parse(kQwen3, {"<think>a</think>"}, {.reads_reasoning = false}).content, "<think>a</think>");
}

TEST(Dialects, AreFoundByTheTemplate) {
    const std::map<std::string, std::string> expected{
        {"deepseek_v31", "deepseek_v31"}, {"gemma", ""},          {"glm", "think"},
        {"harmony", "harmony"},           {"kimi_k2", "kimi_k2"}, {"llama3", "llama3_json"},
        {"minimax_m2", "minimax_m2"},     {"mistral", "mistral"}, {"qwen3", "qwen3"},
        {"qwen3_coder", "qwen3_coder"}};
    size_t families = 0;
    for (const auto& family : std::filesystem::directory_iterator(golden::folder() / "families")) {
        const std::string name = family.path().filename().string();
        auto parsed = ChatTemplate::parse(golden::read_text(family.path() / "chat_template.jinja"), name);
        ASSERT_TRUE(parsed.ok());
        const Dialect* dialect = find_dialect(*parsed);
        EXPECT_EQ(dialect ? dialect->name : "", expected.at(name)) << name;
        ++families;
    }
    EXPECT_EQ(families, expected.size());
    for (const Dialect* dialect : dialects()) EXPECT_EQ(dialect_named(dialect->name), dialect);
    EXPECT_EQ(dialect_named("nonsense"), nullptr);
}

TEST(Dialects, PromptsThatOpenTheReasoningAreSeen) {
    auto tokenizer = Tokenizer::load(golden_folder() / "text/tokenizers/qwen3");
    ASSERT_TRUE(tokenizer.ok());
    const ModelDialect dialect(kQwen3, true, **tokenizer), without(kQwen3, false, **tokenizer);
    const auto opens = [&](const ModelDialect& asked, const char* prompt) {
        return asked.opens_reasoning(std::span<const TokenId>((*tokenizer)->encode(prompt)));
    };
    EXPECT_TRUE(opens(dialect, "user: hi\nassistant:<think>\n"));
    EXPECT_TRUE(opens(dialect, "<think>"));
    EXPECT_FALSE(opens(dialect, "<think>\n\n</think>\n\n"));
    EXPECT_FALSE(opens(dialect, "assistant:"));
    EXPECT_FALSE(opens(dialect, ""));
    EXPECT_FALSE(opens(without, "<think>"));
    EXPECT_TRUE(dialect.opens_reasoning("<think>a</think>b<think>c"));
    EXPECT_FALSE(dialect.opens_reasoning("<think>a</think>b"));
    EXPECT_FALSE(dialect.opens_reasoning("b"));
}

TEST(TypedValue, FollowsTheSchema) {
    const json::object root =
        json::parse(
            R"({"$defs": {"Mode": {"enum": ["a", 2]}, "Box": {"type": "object"}, "Me": {"$ref": "#/$defs/Me"}}})")
            .as_object();
    const auto typed = [&](std::string_view raw, const char* schema) {
        const json::value parsed = json::parse(schema);
        return typed_value(raw, &parsed, root);
    };
    EXPECT_EQ(typed("3", R"({"type": "integer"})"), "3");
    EXPECT_EQ(typed("3.0", R"({"type": "integer"})"), "3.0");
    EXPECT_EQ(typed("3.5", R"({"type": "integer"})"), "\"3.5\"");
    EXPECT_EQ(typed(" -2e3\n", R"({"type": "number"})"), "-2e3");
    EXPECT_EQ(typed("TRUE", R"({"type": "boolean"})"), "true");
    EXPECT_EQ(typed("yes", R"({"type": "boolean"})"), "\"yes\"");
    EXPECT_EQ(typed("{\"a\": [1]}", R"({"$ref": "#/$defs/Box"})"), "{\"a\": [1]}");
    EXPECT_EQ(typed("{\"a\": [1]}", R"({"allOf": [{"$ref": "#/$defs/Box"}]})"), "{\"a\": [1]}");
    EXPECT_EQ(typed("2", R"({"$ref": "#/$defs/Mode"})"), "2");
    EXPECT_EQ(typed("a", R"({"$ref": "#/$defs/Mode"})"), "\"a\"");
    EXPECT_EQ(typed("1", R"({"$ref": "#/$defs/Me"})"), "\"1\"");
    EXPECT_EQ(typed("1", R"({"$ref": "#/nowhere"})"), "\"1\"");
    EXPECT_EQ(typed("7", R"({"const": 7})"), "7");
    EXPECT_EQ(typed("null", R"({"type": ["string", "null"]})"), "null");
    EXPECT_EQ(typed("None", R"({"type": "integer"})"), "null");
    EXPECT_EQ(typed("null", R"({"type": "string"})"), "\"null\"");
    EXPECT_EQ(typed("[1, 'a', (True, None), {'k': \"v\\n\"}]", R"({"type": "array"})"),
              R"([1, "a", [true, null], {"k": "v\n"}])");
    EXPECT_EQ(typed("[1, oops]", R"({"type": "array"})"), "\"[1, oops]\"");
    EXPECT_EQ(typed("{1: 2}", R"({"type": "object"})"), "\"{1: 2}\"");
    EXPECT_EQ(typed_value("5", nullptr, root), "\"5\"");
    EXPECT_EQ(typed(std::string(500, '['), R"({"type": "array"})"), '"' + std::string(500, '[') + '"');
}

TEST(JsonScanner, AgreesWithAParser) {
    constexpr const char* kPieces[] = {"{",       "}",    "[",   "]",    ":", ",",  "\"a\"", "\"",
                                       "\\u00e9", "\\n",  "\\x", "1",    "-", "0",  ".5",    "e3",
                                       "E+1",     "true", "nul", "null", " ", "\n", "\t",    "é"};
    Random random(3);
    size_t valid = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::string text = round % 2 == 0 ? "[" : "";
        for (size_t i = random.below(7); i > 0; --i) text += kPieces[random.below(std::size(kPieces))];
        text += round % 2 == 0 ? "] " : " ";
        json::error_code failure;
        json::parse(text, failure);
        const size_t end = json_end(text, 0);
        const bool whole = end != text.npos && text.find_first_not_of(" \n\t", end) == text.npos;
        ASSERT_EQ(whole, !failure) << text;
        valid += whole;
    }
    EXPECT_GT(valid, 5000u);
}

}  // namespace
}  // namespace hone::text
