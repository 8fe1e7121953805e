// Lines of training data to examples: every format that is no conversation, preferences, and what is wrong with lines.
#include "tests/train/training_text.h"

namespace hone::train {

TEST(Records, PromptAndCompletion) {
    const TrainingText text("qwen3", kPlainTemplate);
    const Record record = text.read(R"({"prompt":"The sum is","completion":" four"})");
    ASSERT_EQ(record.examples.size(), 1u);
    const Example& example = record.examples[0];
    EXPECT_EQ(text.all_of(example), "The sum is four<|im_end|>");
    EXPECT_EQ(text.trained_of(example), " four<|im_end|>");
    std::vector<text::TokenId> ids = text.tokenizer().encode("The sum is");  // as /v1/completions encodes it
    EXPECT_TRUE(std::equal(ids.begin(), ids.end(), example.tokens.begin()));
    const Record open = text.read(R"({"prompt":"a","completion":"b"})", {.append_eos = false});
    EXPECT_EQ(text.all_of(open.examples.at(0)), "ab");
    const Record everything = text.read(R"({"prompt":"ab","completion":"c"})", {.train_on_prompts = true});
    EXPECT_EQ(everything.examples.at(0).weights[1], 1);
}

TEST(Records, CompletionsHaveNoBlankInFront) {
    const TrainingText text("llama2");
    const Record record = text.read(R"({"prompt":"abc","completion":"def"})");
    EXPECT_EQ(text.all_of(record.examples.at(0)), "<s> abcdef</s>");
    EXPECT_EQ(text.trained_of(record.examples.at(0)), "def</s>");
}

TEST(Records, PromptAndCompletionOfMessages) {
    const TrainingText text("qwen3", kPlainTemplate);
    const Record record = text.read(
        R"({"prompt":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],)"
        R"("completion":[{"role":"assistant","content":"d"}]})");
    EXPECT_EQ(text.trained_of(record.examples.at(0)), "d<|im_end|>[...]");
}

TEST(Records, Text) {
    const TrainingText text("qwen3"), llama("llama2");
    const Record record = text.read(R"({"text":"One two three."})");
    EXPECT_TRUE(record.is_text);
    EXPECT_EQ(text.all_of(record.examples.at(0)), "One two three.<|im_end|>");
    EXPECT_EQ(record.examples[0].weights[0], 0);
    EXPECT_EQ(record.examples[0].weights[1], 1);
    EXPECT_EQ(llama.all_of(llama.read(R"({"text":"One"})").examples.at(0)), "<s> One</s>");
    // One that is there already is not written again.
    EXPECT_EQ(text.all_of(text.read(R"({"text":"One<|im_end|>"})").examples.at(0)), "One<|im_end|>");
}

TEST(Records, Tokens) {
    const TrainingText text("qwen3");
    const Record record = text.read(R"({"tokens":[5,6,7]})");
    EXPECT_TRUE(record.is_text);
    EXPECT_EQ(record.examples.at(0).tokens, (std::vector<int32_t>{5, 6, 7}));
    EXPECT_EQ(record.examples[0].weights, (std::vector<float>{0, 1, 1}));
    const Record weighted = text.read(R"({"tokens":[5,6,7],"weights":[1,0,0.25]})");
    EXPECT_FALSE(weighted.is_text);
    EXPECT_EQ(weighted.examples.at(0).weights, (std::vector<float>{0, 0, 0.25f}));
    const Record masked = text.read(R"({"tokens":[5,6,7],"mask":[0,true,0]})");
    EXPECT_EQ(masked.examples.at(0).weights, (std::vector<float>{0, 1, 0}));
    // Without a tokenizer they are all that is read.
    const RecordReader bare({.vocabulary = 10}, {});
    EXPECT_TRUE(bare.read(R"({"tokens":[9]})").ok());
    EXPECT_NE(bare.read(R"({"text":"a"})").error().message.find("no tokenizer"), std::string::npos);
}

TEST(Records, Preferences) {
    const TrainingText text("qwen3", kPlainTemplate);
    const RecordOptions options{.format = Format::preference};
    const auto trained = [&](std::string_view line) {
        const Record record = text.read(line, options);
        EXPECT_EQ(record.examples.size(), 2u);
        if (record.examples.size() != 2) return std::pair<std::string, std::string>();
        EXPECT_EQ(text.all_of(record.examples[0]).substr(0, 1), text.all_of(record.examples[1]).substr(0, 1));
        return std::pair(text.trained_of(record.examples[0]), text.trained_of(record.examples[1]));
    };
    using Pair = std::pair<std::string, std::string>;
    EXPECT_EQ(trained(R"({"prompt":"Say","chosen":" yes","rejected":" no"})"), Pair(" yes<|im_end|>", " no<|im_end|>"));
    EXPECT_EQ(trained(R"({"chosen":"Say it: yes","rejected":"Say it: no"})"), Pair(" yes<|im_end|>", " no<|im_end|>"));
    EXPECT_EQ(trained(R"({"prompt":[{"role":"user","content":"a"}],"chosen":[{"role":"assistant","content":"b"}],)"
                      R"("rejected":[{"role":"assistant","content":"c"}]})"),
              Pair("b<|im_end|>[...]", "c<|im_end|>[...]"));
    // As UltraFeedback has them: the prompt again as a string, whole conversations.
    EXPECT_EQ(
        trained(R"({"prompt":"a","chosen":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],)"
                R"("rejected":[{"role":"user","content":"a"},{"role":"assistant","content":"c"}],"score_chosen":9})"),
        Pair("b<|im_end|>[...]", "c<|im_end|>[...]"));
    EXPECT_EQ(trained(R"({"chosen":[{"role":"user","content":"a"},{"role":"assistant","content":"x"},)"
                      R"({"role":"user","content":"q"},{"role":"assistant","content":"b"}],)"
                      R"("rejected":[{"role":"user","content":"a"},{"role":"assistant","content":"x"},)"
                      R"({"role":"user","content":"q"},{"role":"assistant","content":"c"}]})"),
              Pair("b<|im_end|>[...]", "c<|im_end|>[...]"));
    EXPECT_NE(text.error_of(R"({"chosen":"a","rejected":"b"})").find("only training on preferences reads"),
              std::string::npos);
    EXPECT_NE(text.error_of(R"({"chosen":"a","rejected":[]})", options).find("must both be strings"),
              std::string::npos);
    EXPECT_NE(text.error_of(R"({"chosen":"a"})", options).find("rejected: is missing"), std::string::npos);
    EXPECT_NE(text.error_of(R"({"prompt":[{"role":"user","content":"a"}],"chosen":[{"role":"user","content":"b"}],)"
                            R"("rejected":[{"role":"assistant","content":"c"}]})",
                            options)
                  .find("chosen: has no reply to train on"),
              std::string::npos);
}

TEST(Records, ErrorsOfLines) {
    const TrainingText text("qwen3", kPlainTemplate);
    std::string deep = R"({"text":)" + std::string(100000, '[') + std::string(100000, ']') + "}";
    const std::pair<std::string, const char*> kCases[] = {
        {"{\"text\":\"\xff\"}", "not valid JSON: "},
        {R"({"text":"a")", "not valid JSON: incomplete JSON"},
        {R"({"text":"a"} {"text":"b"})", "not valid JSON: extra data"},
        {deep, "not valid JSON: too deep at byte"},
        {R"([1])", "a record must be a JSON object, not a list; use messages (chat), prompt and completion, text"},
        {R"({})", "no format has the keys of an empty object; use messages"},
        {R"({"txt":"a","id":1})", "no format has the keys txt, id; use messages"},
        {R"({"text":null})", "no format has the keys text; use"},
        {R"({"text":5})", "text: must be a string, not an integer"},
        {R"({"text":"a","messages":[]})", "has the keys of two formats, messages and text; name the format"},
        {R"({"prompt":"a","completion":["b"]})", "completion: must be a string, as prompt is, not a list"},
        {R"({"tokens":[1,-1]})", "tokens[1]: must be a token id from 0 to "},
        {R"({"tokens":[1000000]})", "tokens[0]: must be a token id from 0 to "},
        {R"({"tokens":[1.5]})", "tokens[0]: must be"},
        {R"({"tokens":"a"})", "tokens: must be a list of token ids, not a string"},
        {R"({"tokens":[1,2],"weights":[1]})", "weights: has 1 numbers for 2 tokens"},
        {R"({"tokens":[1],"weights":[-1]})", "weights[0]: must be a number that is not negative"},
        {R"({"tokens":[1],"mask":[1],"weights":[1]})", "weights and mask: use one of them"},
    };
    for (const auto& [line, expected] : kCases) {
        const std::string problem = text.error_of(line);
        EXPECT_TRUE(problem.starts_with(expected)) << problem.substr(0, 300);
    }
    TextReading smaller = text.reading();
    smaller.vocabulary = 300;
    const auto beyond = RecordReader(smaller, {}).read(R"({"text":"a<|im_end|>"})");
    ASSERT_FALSE(beyond.ok());
    EXPECT_NE(beyond.error().message.find("but the model's vocabulary ends at 299"), std::string::npos);
}

TEST(Records, ErrorsNameFileAndLine) {
    const TrainingText text("qwen3", kPlainTemplate);
    const TemporaryFolder folder;
    const auto path = write_file(folder, "train.jsonl", "{\"text\":\"a\"}\n\n{\"text\":1}\n");
    const auto index = RecordIndex::build({path});
    ASSERT_TRUE(index.ok());
    const auto record = text.reader().read(*index, 1);
    ASSERT_FALSE(record.ok());
    EXPECT_EQ(record.error().message, path.string() + ":3: text: must be a string, not an integer");
}

}  // namespace hone::train
