// Outputs that keep to a dialect's grammar of calls are read as calls by its parser: random walks along the masks.
#include "tests/text/grammar_texts.h"
#include "tests/text/json_validator.h"
#include "tests/text/tool_calls_golden.h"
#include "text/grammar/matcher.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tools/model_dialect.h"

namespace hone::text {
namespace {

namespace json = boost::json;

constexpr TokenId kEnd = 256;

// Every byte is a token, kEnd ends, and behind it every marker of the dialect is one, or none is.
struct Vocabulary {
    Vocabulary(const Dialect& dialect, bool with_tokens) {
        std::vector<std::string> bytes;
        for (int i = 0; i < 256; ++i) bytes.emplace_back(1, static_cast<char>(i));
        bytes.emplace_back();
        for (size_t i = 0; with_tokens && i < dialect.markers.size(); ++i) {
            added.emplace(dialect.markers[i], static_cast<TokenId>(bytes.size()));
            texts.push_back(kTokenMark + std::string(dialect.markers[i]));
            bytes.emplace_back();
        }
        masks = std::make_shared<const MaskVocabulary>(std::move(bytes), std::vector<TokenId>{kEnd});
    }
    std::string text_of(TokenId id) const {
        return id < kEnd ? std::string(1, static_cast<char>(id)) : texts[static_cast<size_t>(id - kEnd - 1)];
    }
    AddedTexts added;
    std::vector<std::string> texts;
    std::shared_ptr<const MaskVocabulary> masks;
};

// A text along the grammar: any bytes for a while, then those that lead to its end.
std::string walk(const std::shared_ptr<const TokenGrammar>& grammar, const Vocabulary& vocabulary, Random& random) {
    GrammarMatcher matcher(grammar);
    std::string text;
    const size_t patience = random.below(300);
    while (true) {
        // What ends free text is not spelled by chance.
        for (const std::string end : {"</parameter>", "\n</parameter>"})
            if (text.size() > patience && matcher.accept_bytes(end)) text += end;
        const std::vector<TokenId> allowed = (*matcher.allowed())->tokens();
        std::vector<TokenId> closing;
        for (const TokenId id : allowed)
            if (id >= kEnd || std::string_view("\"}]</\n").find(static_cast<char>(id)) != std::string_view::npos)
                closing.push_back(id);
        const bool closes = !closing.empty() && (text.size() > patience || random.below(4) == 0);
        const auto& from = closes ? closing : allowed;
        TokenId id = from[random.below(from.size())];
        if (matcher.can_end() && text.size() > patience) id = kEnd;
        EXPECT_TRUE(matcher.accept(id));
        if (matcher.ended()) return text;
        text += vocabulary.text_of(id);
        if (text.size() > 20'000) {
            ADD_FAILURE() << "no end: " << text.substr(0, 500);
            return text;
        }
    }
}

class CallGrammars : public ::testing::TestWithParam<const Dialect*> {
  protected:
    // Texts of the grammar for the tools, with the markers as tokens and as text.
    void for_each_text(const DeclaredTools& tools, bool several,
                       const std::function<void(const golden::Told&, const std::string&)>& check) {
        const Dialect& dialect = *GetParam();
        for (const bool with_tokens : {true, false}) {
            if (!with_tokens && dialect.has_channels) continue;  // strings may have its markers, as text
            const Vocabulary vocabulary(dialect, with_tokens);
            GrammarBuilder builder;
            CallGrammar calls(builder, vocabulary.added, tools, several);
            auto built = calls.build(dialect.add_calls(calls));
            ASSERT_TRUE(built.ok()) << built.error().message;
            const auto grammar = std::make_shared<const TokenGrammar>(std::move(*built), vocabulary.masks);
            Random random(5);
            for (int round = 0; round < 60; ++round) {
                const std::string text = walk(grammar, vocabulary, random);
                ParserOptions options{.tools = &tools};
                if (with_tokens) options.spelling = golden::all_markers_as_tokens(dialect);
                const std::string stop = dialect.has_channels ? options.spelling("<|call|>") : "";
                check(golden::parse(dialect, {text, stop}, options), text);
            }
        }
    }
    // The number of calls; the most in one text.
    std::pair<size_t, size_t> check_calls(const DeclaredTools& tools) {
        size_t calls = 0, most = 0;
        for_each_text(tools, true, [&](const golden::Told& told, const std::string& text) {
            EXPECT_EQ(told.content, "") << text;
            ASSERT_FALSE(told.calls.empty()) << text;
            most = std::max(most, told.calls.size());
            for (const auto& call : told.calls) {
                ++calls;
                EXPECT_TRUE(call.complete) << text;
                const DeclaredTool* tool = find_tool(tools, call.name);
                ASSERT_NE(tool, nullptr) << text;
                json::error_code failure;
                const json::value arguments = json::parse(call.arguments, failure);
                ASSERT_FALSE(failure) << text;
                EXPECT_TRUE(JsonValidator(tool->parameters).satisfies(arguments)) << call.arguments << "\n" << text;
            }
        });
        return {calls, most};
    }
};

TEST_P(CallGrammars, GiveCallsOfDeclaredTools) {
    const auto [calls, most] = check_calls(golden::declared_tools());
    EXPECT_GE(calls, 60u);
    EXPECT_EQ(most > 1, GetParam() != &kHarmony);
}

// Odd names, no parameters, types that can be mistaken for each other, and strings with a form.
TEST_P(CallGrammars, GiveWhatOddSchemasAllow) {
    const json::value odd = json::parse(R"({"type": "object", "additionalProperties": false,
        "required": ["id", "mixed", "any of", "say <\"", "nest"],
        "properties": {
            "id": {"type": "string", "pattern": "^[a-z]{2}<[0-9]$"},
            "mixed": {"type": ["integer", "string", "boolean"], "minimum": 5, "maxLength": 4},
            "any of": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}, {"enum": [1, "7", "null"]}]},
            "say <\"": {"enum": ["true", true, "a\nb", 0.5, {"k": [null]}]},
            "nest": {"type": "object", "required": ["list"], "additionalProperties": false, "properties":
                {"list": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/leaf"}}}},
            "day": {"type": "string", "format": "date"},
            "long": {"type": "string", "maxLength": 3000},
            "same": {"$ref": "#/properties/id"},
            "fixed": {"const": "</function>"}},
        "$defs": {"leaf": {"anyOf": [{"type": "string"}, {"$ref": "#/properties/nest"}]}}})");
    json::object parameters = odd.get_object();
    // Where names stand in tags, not every one can be written.
    if (GetParam() == &kMinimaxM2) {
        parameters["required"] = {"id", "mixed", "any of", "nest"};
    }
    const json::object nothing{{"type", "object"}, {"additionalProperties", false}};
    const DeclaredTools tools{{.name = "ns.odd:v1/x-2", .parameters = parameters},
                              {.name = "functions.0", .parameters = {}},
                              {.name = "_", .parameters = nothing},
                              {.name = "free", .parameters = {{"required", json::array{"undeclared"}}}}};
    EXPECT_GE(check_calls(tools).first, 60u);
}

TEST_P(CallGrammars, GiveOneCallWhereOneIsWanted) {
    for_each_text(golden::declared_tools(), false, [](const golden::Told& told, const std::string& text) {
        EXPECT_EQ(told.calls.size(), 1u) << text;
        EXPECT_EQ(told.content, "") << text;
    });
}

std::vector<const Dialect*> dialects_with_calls() {
    std::vector<const Dialect*> out;
    for (const Dialect* dialect : dialects())
        if (dialect->add_calls) out.push_back(dialect);
    return out;
}

INSTANTIATE_TEST_SUITE_P(All, CallGrammars, ::testing::ValuesIn(dialects_with_calls()),
                         [](const auto& info) { return std::string(info.param->name); });

// The calls of one tool in a dialect whose markers are text.
GrammarTexts texts_of(const Dialect& dialect, const char* parameters) {
    const AddedTexts none;
    const DeclaredTools tools{{.name = "f", .parameters = json::parse(parameters).get_object()}};
    GrammarBuilder builder;
    CallGrammar calls(builder, none, tools, false);
    return GrammarTexts(calls.build(dialect.add_calls(calls)));
}

TEST(CallGrammarsOfTags, LeaveOutWhatTheReaderTakesForTags) {
    const auto call = [](const std::string& value) {
        return "<tool_call>\n<function=f>\n<parameter=a>\n" + value + "\n</parameter>\n</function>\n</tool_call>";
    };
    const char* kParameters =
        R"({"required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}})";
    texts_of(kQwen3Coder, kParameters)
        .expect({call(""), call("x\n\ny"), call("<b>&</b>"), call("a <parameter=b>"), call("a </function>\n")},
                {call("</parameter>"), call("x\n<parameter=b>\nx"), call("<parameter=b>\nx"), call("x\n</function>")});
    texts_of(kQwen3Coder,
             R"({"required": ["a"], "properties": {"a": {"type": ["string", "integer", "null"], "minimum": 3}}})")
        .expect({call("3"), call("null"), call("three"), call("3 or"), call("nullable")},
                {call("2"), call(" 2"), call("NULL"), call("None "), call("[1]"), call("\"3\"")});
    texts_of(kQwen3Coder,
             R"({"required": ["a"], "properties": {"a": {"type": "string", "pattern": "^[xy]*$", "minLength": 2}}})")
        .expect({call("xy"), call("yyy")}, {call("x"), call("xyz"), call("\"xy\"")});
    texts_of(kQwen3Coder, R"({"required": ["a"], "properties": {"a": {"type": "array", "items": {"type": "string"}}}})")
        .expect({call(R"(["<p>"])"), call("[]")}, {call(R"(["</parameter></function>"])"), call("x")});
}

TEST(CallGrammarsOfTags, LeaveOutNewlinesThatTheReaderDrops) {
    const auto call = [](const std::string& value) {
        return "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"a\">" + value +
               "</parameter>\n</invoke>\n</minimax:tool_call>";
    };
    texts_of(kMinimaxM2, R"({"required": ["a"], "properties": {"a": {"type": "string", "minLength": 2}}})")
        .expect({call("xy"), call("x\ny")}, {call("x"), call("x\n"), call("\nx")});
}

TEST(CallGrammarsOfTags, RefuseWhatTheyCannotFollow) {
    for (const auto& [parameters, word] : std::vector<std::pair<const char*, const char*>>{
             {R"({"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": {}, "b": {}}})", "anyOf"},
             {R"({"$ref": "#/$defs/x", "$defs": {"x": {"type": "object"}}})", "$ref"},
             {R"({"minProperties": 1, "properties": {"a": {}}})", "minProperties"},
             {R"({"maxProperties": 1, "properties": {"a": {}, "b": {}}})", "maxProperties"},
             {R"({"type": "array"})", "object"},
             {R"({"required": ["a>b"], "properties": {"a>b": {}}})", "a>b"},
             {R"({"required": ["a"], "additionalProperties": {"type": "integer"}})", "'a'"},
             {R"({"properties": {"a": {"not": {}}}})", "#/properties/a: not"}}) {
        const GrammarTexts texts = texts_of(kQwen3Coder, parameters);
        EXPECT_FALSE(texts.ok()) << parameters;
        EXPECT_NE(texts.error().find(word), std::string::npos) << texts.error();
        EXPECT_NE(texts.error().find("'f'"), std::string::npos) << texts.error();
    }
    texts_of(kQwen3Coder, R"({"properties": {"a>b": {}}})")
        .expect({"<tool_call>\n<function=f>\n</function>\n</tool_call>"}, {});
}

class CallGrammarOfAModel : public ::testing::Test {
  protected:
    void SetUp() override {
        auto loaded = Tokenizer::load(golden_folder() / "text/tokenizers/qwen3");
        ASSERT_TRUE(loaded.ok());
        tokenizer_ = std::move(loaded).value();
    }
    // Whether the grammar takes the text as the tokenizer cuts it.
    bool takes(bool reasons, bool in_reasoning, const DeclaredTools& tools, const std::string& text) {
        auto grammar = ModelDialect(kQwen3, reasons, *tokenizer_).call_grammar(tools, true, in_reasoning);
        EXPECT_TRUE(grammar.ok()) << grammar.error().message;
        const int32_t size = tokenizer_->vocabulary_size();
        const auto masks = std::make_shared<const MaskVocabulary>(*tokenizer_, std::vector<TokenId>{}, size);
        GrammarMatcher matcher(std::make_shared<const TokenGrammar>(std::move(*grammar), masks));
        for (const TokenId id : tokenizer_->encode(text))
            if (!matcher.accept(id)) return false;
        return matcher.can_end();
    }
    std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(CallGrammarOfAModel, AllowsReasoningFirst) {
    const std::string call = "<tool_call>\n{\"name\": \"ping\", \"arguments\": {}}\n</tool_call>";
    const DeclaredTools ping{{.name = "ping", .parameters = {}}};
    EXPECT_TRUE(takes(true, false, ping, call));
    EXPECT_TRUE(takes(true, false, ping, "<think>\nHm {é}\n</think>\n\n" + call + "\n" + call));
    EXPECT_TRUE(takes(true, true, ping, "Hm\n</think>\n\n" + call));
    EXPECT_FALSE(takes(true, true, ping, call));
    EXPECT_TRUE(takes(false, false, ping, call));
    EXPECT_FALSE(takes(false, false, ping, "<think>\nHm\n</think>\n\n" + call));
    EXPECT_FALSE(takes(true, false, ping, "Sure. " + call));
    EXPECT_FALSE(takes(true, true, ping, "Hm\n</think>\n " + call));  // would be content
    EXPECT_FALSE(takes(true, false, {{.name = "pong", .parameters = {}}}, call));
}

TEST_F(CallGrammarOfAModel, TellsTheToolWhoseSchemaIsNotSupported) {
    const DeclaredTools odd{{.name = "odd", .parameters = {{"not", json::object()}}}};
    const auto grammar = ModelDialect(kQwen3, true, *tokenizer_).call_grammar(odd, true, false);
    ASSERT_FALSE(grammar.ok());
    EXPECT_NE(grammar.error().message.find("'odd'"), std::string::npos) << grammar.error().message;
}

TEST_F(CallGrammarOfAModel, TellsTheToolWhoseSchemaNothingSatisfies) {
    const json::value none = json::parse(R"({"properties": {"a": {"minItems": 2, "maxItems": 1}}, "required": ["a"]})");
    const DeclaredTools odd{{.name = "odd", .parameters = none.get_object()}};
    const auto grammar = ModelDialect(kQwen3, true, *tokenizer_).call_grammar(odd, true, false);
    ASSERT_FALSE(grammar.ok());
    for (const char* part : {"'odd'", "#/properties/a: minItems", "no value satisfies"})
        EXPECT_NE(grammar.error().message.find(part), std::string::npos) << grammar.error().message;
}

}  // namespace
}  // namespace hone::text
