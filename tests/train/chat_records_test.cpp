// Conversations as training data: what is trained on, token by token, with and without generation blocks.
#include "tests/train/training_text.h"
#include "text/chat/chat_tokens.h"

namespace hone::train {

constexpr const char* kTwoTurns =
    R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Two?"},)"
    R"({"role":"assistant","content":"2, of course"},{"role":"user","content":"Three?"},)"
    R"({"role":"assistant","content":"3"}]})";

TEST(ChatRecords, TrainOnGenerationBlocks) {
    const TrainingText text("qwen3", kBlockTemplate);
    const Record record = text.read(kTwoTurns);
    ASSERT_EQ(record.examples.size(), 1u);
    EXPECT_FALSE(record.is_text);
    EXPECT_EQ(text.all_of(record.examples[0]),
              "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nTwo?<|im_end|>\n<|im_start|>assistant\n2, of "
              "course<|im_end|>\n<|im_start|>user\nThree?<|im_end|>\n<|im_start|>assistant\n3<|im_end|>\n");
    EXPECT_EQ(text.trained_of(record.examples[0]), "2, of course<|im_end|>[...]3<|im_end|>[...]");
}

TEST(ChatRecords, TrainOnTheSameWithoutBlocks) {
    const TrainingText blocks("qwen3", kBlockTemplate), plain("qwen3", kPlainTemplate);
    const Record with = blocks.read(kTwoTurns), without = plain.read(kTwoTurns);
    ASSERT_EQ(without.examples.size(), 1u);
    EXPECT_EQ(without.examples[0].tokens, with.examples[0].tokens);
    EXPECT_EQ(without.examples[0].weights, with.examples[0].weights);
}

TEST(ChatRecords, IdsAreThoseOfServing) {
    for (const char* tokenizer : {"qwen3", "llama2", "gemma", "gpt2_prefix", "kimi_k2"}) {
        for (const char* source : {kBlockTemplate, kPlainTemplate}) {
            const TrainingText text(tokenizer, source);
            const Record record = text.read(kTwoTurns);
            ASSERT_EQ(record.examples.size(), 1u);
            boost::json::value line = boost::json::parse(kTwoTurns);
            const auto served = text::encode_chat(
                text.reading().chat_templates->choose(false), text.tokenizer(),
                {.messages = line.at("messages").as_array(), .special_tokens = text.reading().special_tokens});
            ASSERT_TRUE(served.ok());
            EXPECT_EQ(record.examples[0].tokens, *served) << tokenizer;
        }
    }
}

TEST(ChatRecords, ControlTokensOfUsersStayText) {
    const TrainingText text("qwen3", kBlockTemplate);
    const Record record = text.read(
        R"({"messages":[{"role":"user","content":"write <|im_end|> é <|im_start|>"},{"role":"assistant","content":"no ☃"}]})");
    ASSERT_EQ(record.examples.size(), 1u);
    EXPECT_EQ(text.trained_of(record.examples[0]), "no ☃<|im_end|>[...]");
    const auto end = *text.tokenizer().token_id("<|im_end|>");
    EXPECT_EQ(std::count(record.examples[0].tokens.begin(), record.examples[0].tokens.end(), end), 2);
}

TEST(ChatRecords, MessagesHaveWeights) {
    for (const char* source : {kBlockTemplate, kPlainTemplate}) {
        const TrainingText text("qwen3", source);
        const Record record =
            text.read(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":0},)"
                      R"({"role":"user","content":"c","train":false},{"role":"assistant","content":"d","weight":0.5},)"
                      R"({"role":"user","content":"e"},{"role":"assistant","content":"f","train":true}]})");
        ASSERT_EQ(record.examples.size(), 1u);
        EXPECT_EQ(text.trained_of(record.examples[0]), "d<|im_end|>[...]f<|im_end|>[...]");
        float sum = 0;
        for (const float weight : record.examples[0].weights) sum += weight;
        EXPECT_EQ(sum, 3.0f);  // two tokens of 0.5 and two of 1
    }
    const TrainingText text("qwen3", kPlainTemplate);
    EXPECT_TRUE(text.read(R"({"messages":[{"role":"user","content":"a"}]})").examples.empty());
}

// The golden template of the family drops the reasoning of earlier turns: the reply as it was written with its
// reasoning, and the later one as it came without the first's.
TEST(ChatRecords, TemplateThatDropsReasoningMakesSeveralExamples) {
    const TrainingText text("qwen3", "", "qwen3");
    const Record record = text.read(
        R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","reasoning_content":"hm","content":"b"},)"
        R"({"role":"user","content":"c"},{"role":"assistant","thinking":"so","content":"d"}]})");
    ASSERT_EQ(record.examples.size(), 2u);
    EXPECT_EQ(text.all_of(record.examples[0]),
              "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\nb<|im_end|>\n");
    EXPECT_EQ(text.trained_of(record.examples[0]), "<think>\nhm\n</think>\n\nb<|im_end|>[...]");
    EXPECT_EQ(text.all_of(record.examples[1]),
              "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n"
              "<|im_start|>assistant\n<think>\nso\n</think>\n\nd<|im_end|>\n");
    EXPECT_EQ(text.trained_of(record.examples[1]), "<think>\nso\n</think>\n\nd<|im_end|>[...]");
}

TEST(ChatRecords, ToolCallsShareAnExample) {
    const TrainingText text("qwen3", "", "qwen3");
    const Record record = text.read(
        R"({"tools":[{"type":"function","function":{"name":"add"}}],"messages":[{"role":"user","content":"1+1?"},)"
        R"({"role":"assistant","reasoning_content":"add","content":null,"tool_calls":[{"type":"function","id":"x",)"
        R"("function":{"name":"add","arguments":"{\"a\": 1}"}}]},{"role":"tool","content":"2"},)"
        R"({"role":"assistant","reasoning_content":"ok","content":"2"}]})");
    ASSERT_EQ(record.examples.size(), 1u);
    EXPECT_EQ(text.trained_of(record.examples[0]),
              "<think>\nadd\n</think>\n\n<tool_call>\n{\"name\": \"add\", \"arguments\": "
              "{\"a\": 1}}\n</tool_call><|im_end|>[...]<think>\nok\n</think>\n\n2<|im_end|>[...]");
    EXPECT_NE(text.all_of(record.examples[0]).find("## Functions"), std::string::npos);
}

TEST(ChatRecords, OtherFamilies) {
    const std::string line = R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
                             R"({"role":"user","content":"c"},{"role":"assistant","content":"d"}]})";
    const TrainingText llama("llama3", "", "llama3");
    const Record record = llama.read(line);
    ASSERT_EQ(record.examples.size(), 1u);
    EXPECT_EQ(llama.trained_of(record.examples[0]), "b<|eot_id|>[...]d<|eot_id|>");
    EXPECT_NE(llama.all_of(record.examples[0]).find("Date: 01 Jan 2026"), std::string::npos);
    const TrainingText gemma("gemma", "", "gemma");
    EXPECT_EQ(gemma.trained_of(gemma.read(line).examples.at(0)), "b<end_of_turn>[...]d<end_of_turn>[...]");
    const TrainingText deepseek("deepseek_v3", "", "deepseek_v31");
    EXPECT_EQ(deepseek.trained_of(deepseek.read(line).examples.at(0)),
              "b<｜end▁of▁sentence｜>[...]d<｜end▁of▁sentence｜>");
}

TEST(ChatRecords, TemplateThatDoesNotGoOnFromItsPromptIsAnError) {
    const TrainingText text(
        "qwen3",
        "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ '<|im_end|>\\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}");
    const std::string problem = text.error_of(kTwoTurns);
    EXPECT_NE(problem.find("messages[4]: the chat template ends the prompt of this reply with \"<think>\\n\""),
              std::string::npos)
        << problem;
    EXPECT_NE(problem.find("reasoning_content"), std::string::npos);
    // The variable that changes the prompt can be set by the line.
    const TrainingText switched(
        "qwen3",
        "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content ~ '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' ~ ('<think>' if thinks is not defined) }}{% endif "
        "%}");
    std::string line = kTwoTurns;
    EXPECT_NE(switched.error_of(line), "");
    line.insert(1, R"("chat_template_kwargs":{"thinks":false},)");
    EXPECT_EQ(switched.trained_of(switched.read(line).examples.at(0)), "2, of course<|im_end|>[...]3<|im_end|>[...]");
}

TEST(ChatRecords, MayTrainOnPrompts) {
    const TrainingText text("qwen3", kBlockTemplate);
    const Record record = text.read(kTwoTurns, {.train_on_prompts = true});
    const Example& example = record.examples.at(0);
    EXPECT_EQ(example.weights[0], 0);
    EXPECT_EQ(std::count(example.weights.begin(), example.weights.end(), 1.0f), std::ssize(example.tokens) - 1);
}

TEST(ChatRecords, ErrorsNameTheKey) {
    const TrainingText text("qwen3", kBlockTemplate), bare("qwen3");
    const std::pair<const char*, const char*> kCases[] = {
        {R"({"messages":[{"role":"user","content":"a"},{"role":"asistant","content":"b"}]})",
         "messages[1].role: \"asistant\" is no role; use system, developer, user, assistant or tool"},
        {R"({"messages":[]})", "messages: is empty"},
        {R"({"messages":"hi"})", "messages: must be a list of messages, not a string"},
        {R"({"messages":["hi"]})", "messages[0]: must be an object, not a string"},
        {R"({"messages":[{"content":"a"}]})", "messages[0].role: is missing"},
        {R"({"messages":[{"role":"user","content":5}]})", "messages[0].content: must be a string or a list of parts"},
        {R"({"messages":[{"role":"assistant","content":"a","weight":2}]})",
         "messages[0].weight: is 2; use a number from"},
        {R"({"messages":[{"role":"assistant","content":"a","weight":1,"train":1}]})", "messages[0]: has both"},
        {R"({"messages":[{"role":"user","content":"a","train":true}]})",
         "messages[0]: only messages of the role \"assistant\" can be trained on"},
        {R"({"messages":[{"role":"user","content":"a"}],"tools":{}})", "tools: must be a list, not an object"},
        {R"({"messages":[{"role":"user","content":"a"}],"chat_template_kwargs":{"tools":[]}})",
         "chat_template_kwargs.tools: "},
    };
    for (const auto& [line, expected] : kCases) {
        const std::string problem = text.error_of(line);
        EXPECT_TRUE(problem.starts_with(expected)) << problem;
    }
    EXPECT_TRUE(bare.error_of(kTwoTurns).starts_with("there is no chat template"));
}

}  // namespace hone::train
