// Reading output of which the markers are special tokens, with the golden tokenizers that have them.
#include "serve/openai/choice_text.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/golden_folder.h"

namespace hone::serve {
namespace {

class ChoiceTextTest : public ::testing::Test {
  protected:
    void start(const std::string& tokenizer, std::string_view dialect) {
        auto loaded = text::Tokenizer::load(golden_folder() / "text/tokenizers" / tokenizer);
        ASSERT_TRUE(loaded.ok()) << loaded.error().message;
        tokenizer_ = std::move(loaded).value();
        dialect_.emplace(*text::dialect_named(dialect), true, *tokenizer_);
        request_.reading = {.dialect = &*dialect_, .tools = std::make_shared<const text::DeclaredTools>()};
        ask_again();
    }
    void ask_again() {
        choice_.emplace(*tokenizer_, request_, std::make_shared<const StopPatterns>(request_.stop),
                        std::span<const int32_t>(), false);
    }

    // What the choice tells of these tokens, an event each; `stop` ends it as the model's own stop token.
    TextDelta take(const std::string& output, std::string_view stop = {}, bool special = true) {
        TextDelta told;
        for (const int32_t id :
             tokenizer_->encode(output, {.add_special_tokens = false, .parse_special_tokens = special}))
            told.append(choice_->take({.tokens = {{.token = id}}}));
        engine::RequestEvent last{.finish = engine::FinishReason::length};
        if (!stop.empty()) {
            const auto id = tokenizer_->token_id(stop);
            EXPECT_TRUE(id.has_value());
            last = {.tokens = {{.token = *id}}, .finish = engine::FinishReason::stop, .stop_token = *id};
        }
        told.append(choice_->take(std::move(last)));
        return told;
    }

    std::unique_ptr<text::Tokenizer> tokenizer_;
    std::optional<text::ModelDialect> dialect_;
    GenerationRequest request_;
    std::optional<ChoiceText> choice_;
};

constexpr const char* kHarmony =
    "<|channel|>analysis<|message|>Hm ✓<|end|><|start|>assistant<|channel|>commentary to=functions.ping "
    "<|constrain|>json<|message|>{\"a\": \"é\"}";
constexpr const char* kKimi =
    "Ok.<|tool_calls_section_begin|><|tool_call_begin|>functions.ping:0<|tool_call_argument_begin|>{\"a\": 1}"
    "<|tool_call_end|><|tool_calls_section_end|>";

TEST_F(ChoiceTextTest, MarkersCountThoughSpecialTokensAreLeftOut) {
    start("kimi_k2", "kimi_k2");
    for (const bool skipped : {true, false}) {
        request_.skip_special_tokens = skipped;
        ask_again();
        const TextDelta told = take(kKimi, "<|im_end|>");
        EXPECT_EQ(told.text, "Ok.");
        ASSERT_EQ(told.calls.size(), 1u);
        EXPECT_EQ(told.calls[0].name, "ping");
        EXPECT_EQ(told.calls[0].id, "functions.ping:0");
        EXPECT_EQ(told.calls[0].arguments, "{\"a\": 1}");
        EXPECT_TRUE(choice_->ended_with_calls());
    }
}

TEST_F(ChoiceTextTest, TextCannotPassForAMarkerThatIsASpecialToken) {
    start("kimi_k2", "kimi_k2");
    const TextDelta told = take(kKimi, {}, false);
    EXPECT_EQ(told.text, kKimi);
    EXPECT_TRUE(told.calls.empty());
}

TEST_F(ChoiceTextTest, MarkersThatAreOrdinaryTokensCountAsText) {
    start("qwen3", "qwen3");
    const std::string output = "<tool_call>\n{\"name\": \"ping\"}\n</tool_call>";
    ASSERT_FALSE(tokenizer_->is_special(tokenizer_->token_id("<tool_call>").value()));
    TextDelta told;
    for (const int32_t id : tokenizer_->encode(output, {.parse_added_tokens = false}))
        told.append(choice_->take({.tokens = {{.token = id}}}));
    ASSERT_EQ(told.calls.size(), 1u);
    ask_again();
    EXPECT_EQ(take(output).calls.size(), 1u);
}

TEST_F(ChoiceTextTest, TheStopTokenMayEndACall) {
    start("o200k", "harmony");
    const TextDelta told = take(kHarmony, "<|call|>");
    EXPECT_EQ(told.reasoning, "Hm ✓");
    EXPECT_EQ(told.text, "");
    ASSERT_EQ(told.calls.size(), 1u);
    EXPECT_EQ(told.calls[0].name, "ping");
    EXPECT_EQ(told.calls[0].arguments, "{\"a\": \"é\"}");
    EXPECT_TRUE(choice_->ended_with_calls());
}

TEST_F(ChoiceTextTest, ACallThatIsCutOffDoesNotEndTheAnswer) {
    start("o200k", "harmony");
    EXPECT_EQ(take(kHarmony).calls.size(), 1u);
    EXPECT_FALSE(choice_->ended_with_calls());
}

TEST_F(ChoiceTextTest, StopStringsEndWhatIsBeforeThem) {
    start("o200k", "harmony");
    request_.stop = {" to=", "Hm"};
    ask_again();
    const TextDelta told = take(kHarmony);
    EXPECT_EQ(told.reasoning + told.text, "");
    EXPECT_EQ(*choice_->stop_string(), "Hm");
    EXPECT_EQ(choice_->finish(), engine::FinishReason::stop);
}

}  // namespace
}  // namespace hone::serve
