// Training tokenizers from recipes: what is written, that it does not depend on threads, what mistakes are called.
#include "train/tokenizer_job.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "tests/temporary_folder.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemplate =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";
constexpr std::string_view kKeys = R"(
vocabulary_size = 300
special_tokens = ["<|end|>", "<|im_start|>", "<|im_end|>"]
added_tokens = ["<think>"]
eos_token = "<|im_end|>"
)";

class TokenizerJobTest : public testing::Test {
  protected:
    TokenizerJobTest() {
        write("chat_template.jinja", kTemplate);
        std::string lines;
        for (int i = 0; i < 300; ++i) {
            lines +=
                fmt::format(R"({{"text": "the {} of the garden <|end|> {}"}})", i % 7 ? "river" : "bridge", i) + "\n";
            lines +=
                R"({"messages": [{"role": "user", "content": "where"}, {"role": "assistant", "content": "there"}]})"
                "\n";
            lines += R"({"prompt": "1 + 1 =", "completion": " two"})"
                     "\n";
        }
        write("data.jsonl", lines);
    }

    void write(const std::string& name, std::string_view text) const {
        std::ofstream(folder_.path / name, std::ios::binary) << text;
    }
    std::string read(const fs::path& name) const { return read_text_file(folder_.path / name).value(); }
    Result<TokenizerRecipe> recipe(std::string_view keys, const std::string& output = "out") const {
        return parse_tokenizer_recipe(fmt::format("kind = \"tokenizer\"\noutput = \"{}\"\n{}\n[data]\nfiles = "
                                                  "[\"data.jsonl\"]\n",
                                                  output, keys),
                                      "t.toml", folder_.path);
    }
    // The recipe with a chat template.
    std::string usual(std::string_view more = "") const {
        return fmt::format("{}config_files = [\"chat_template.jinja\"]\n{}", kKeys, more);
    }
    Result<std::unique_ptr<TokenizerJob>> open(std::string_view keys, TokenizerJob::Options options = {},
                                               const std::string& output = "out") const {
        options.quiet = true;
        auto read = recipe(keys, output);
        if (!read) return read.error();
        return TokenizerJob::open(std::move(*read), options);
    }
    Status train(std::string_view keys, int threads = 1, const std::string& output = "out",
                 TokenizerJob::Options options = {}) const {
        auto job = open(keys, options, output);
        if (!job) return job.error();
        ThreadPool pool(threads);
        auto words = (*job)->count_words(pool);
        if (!words) return words.error();
        const auto bpe = (*job)->train(std::move(*words));
        return bpe ? ok() : Status(bpe.error());
    }
    std::string mistake(std::string_view keys) const {
        const Status trained = train(keys);
        return trained ? "" : trained.error().message;
    }

    TemporaryFolder folder_;
};

TEST_F(TokenizerJobTest, writes_a_folder_that_models_begin_with) {
    ASSERT_TRUE(train(usual())) << mistake(usual());
    const fs::path final = folder_.path / "out/final";
    const auto tokenizer = text::Tokenizer::load(final);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    const text::Tokenizer& made = **tokenizer;
    EXPECT_EQ(made.vocabulary_size(), 300);
    EXPECT_EQ(made.token_id("<|end|>"), 296);  // behind the merges, in the order of the recipe
    EXPECT_EQ(made.token_id("<think>"), 299);
    EXPECT_TRUE(made.is_special(298));
    EXPECT_FALSE(made.is_special(299));
    EXPECT_EQ(made.eos(), 298);
    EXPECT_EQ(made.encode("the river").size(), 2U);
    EXPECT_EQ(made.encode("2048").size(), 4U);
    EXPECT_EQ(made.decode(made.encode("<think>the river 17, Grüße")), "<think>the river 17, Grüße");
    EXPECT_EQ(made.token_id("<|"), std::nullopt);  // added tokens are no text to learn from
    EXPECT_EQ(read("out/final/chat_template.jinja"), kTemplate);
    EXPECT_NE(read("out/final/tokenizer_config.json").find(R"("296":{"content":"<|end|>")"), std::string::npos);
    EXPECT_TRUE((*open(usual()))->has_result());
}

TEST_F(TokenizerJobTest, threads_do_not_change_a_byte) {
    ASSERT_TRUE(train(usual(), 1, "one"));
    ASSERT_TRUE(train(usual(), 3, "three"));
    EXPECT_EQ(read("one/final/tokenizer.json"), read("three/final/tokenizer.json"));
    EXPECT_EQ(read("one/final/tokenizer_config.json"), read("three/final/tokenizer_config.json"));
}

TEST_F(TokenizerJobTest, digits_stay_together_where_they_shall) {
    write("data.jsonl", R"({"text": "2048 2048 2048 2048"})"
                        "\n");
    ASSERT_TRUE(train("vocabulary_size = 300\nsplit_digits = false\n"));
    const auto made = text::Tokenizer::load(folder_.path / "out/final");
    EXPECT_EQ((*made)->encode("2048").size(), 2U);  // 204, 8
}

TEST_F(TokenizerJobTest, words_are_cut_as_the_recipe_says) {
    const auto with = [&](const char* more) { return mistake(usual(more)); };
    ASSERT_EQ(with("pattern = ' the(?!\\p{L})|\\p{L}+|\\s+'\n"), "");
    const auto made = text::Tokenizer::load(folder_.path / "out/final");
    const auto river = (*made)->encode("river"), quoted = (*made)->encode("\"river"),
               after_blank = (*made)->encode(" river");
    ASSERT_EQ(river.size(), 1U);
    EXPECT_EQ(quoted, (std::vector<int32_t>{(*made)->encode("\"")[0], river[0]}));
    EXPECT_EQ(after_blank, (std::vector<int32_t>{(*made)->encode(" ")[0], river[0]}));
    EXPECT_EQ((*made)->encode(" the garden").size(), 3U);  // the blank belongs to the first word alone

    EXPECT_NE(with("pattern = '('\n").find("pattern is no regular expression: "), std::string::npos)
        << with("pattern = '('\n");
    EXPECT_NE(with("pattern = 'a'\nsplit_digits = true\n").find("give one of them"), std::string::npos);
}

TEST_F(TokenizerJobTest, texts_need_no_config_files) {
    write("data.jsonl", R"({"text": "a b a b"})"
                        "\n");
    ASSERT_TRUE(train("vocabulary_size = 256\n"));
    EXPECT_EQ((*text::Tokenizer::load(folder_.path / "out/final"))->vocabulary_size(), 256);
}

TEST_F(TokenizerJobTest, another_recipe_or_other_data_are_refused_until_a_restart) {
    ASSERT_TRUE(train(usual()));
    EXPECT_NE(mistake(usual("min_frequency = 5\n")).find("out: min_frequency is \"5\" in the recipe, but was \"2\""),
              std::string::npos);
    write("chat_template.jinja", std::string(kTemplate) + " ");
    EXPECT_NE(mistake(usual()).find("contents of config_files have changed"), std::string::npos);
    write("chat_template.jinja", kTemplate);
    write("data.jsonl", read("data.jsonl") + R"({"text": "more"})"
                                             "\n");
    EXPECT_NE(mistake(usual()).find("contents of data.files have changed"), std::string::npos);
    const auto plan = open(usual(), {.only_plan = true});
    ASSERT_TRUE(plan);
    EXPECT_NE((*plan)->refusal().find("--restart"), std::string::npos);
    EXPECT_TRUE(train(usual(), 1, "out", {.restart = true}));
    EXPECT_TRUE((*open(usual()))->has_result());
}

TEST_F(TokenizerJobTest, lists_with_other_entries_are_other_recipes) {
    write("data.jsonl", R"({"text": "a b a b"})"
                        "\n");
    const auto keys = [](const char* tokens) {
        return fmt::format("vocabulary_size = 300\nspecial_tokens = [{}]\n", tokens);
    };
    ASSERT_TRUE(train(keys(R"("x, y")")));
    EXPECT_EQ(mistake(keys(R"("x, y")")), "");
    for (const char* tokens : {R"("x", "y")", R"("\"x", "y\"")"})
        EXPECT_NE(mistake(keys(tokens)).find("out: special_tokens is "), std::string::npos) << tokens;
}

TEST_F(TokenizerJobTest, mistakes_name_line_and_key) {
    EXPECT_EQ(mistake("vocabulary_size = 258\nspecial_tokens = [\"a\", \"b\", \"c\"]\n"),
              "t.toml:3: vocabulary_size is 258; the 256 bytes and 3 added tokens alone are 259");
    EXPECT_EQ(mistake("vocabulary_size = 300\nspecial_tokens = [\"a\"]\nadded_tokens = [\"a\"]\n"),
              "t.toml:5: added_tokens has \"a\", which is there twice among the added tokens");
    EXPECT_EQ(mistake("vocabulary_size = 300\neos_token = \"x\"\n"),
              "t.toml:4: eos_token is \"x\", which is none of special_tokens");
    EXPECT_EQ(mistake("vocabulary_size = 300\nmin_freq = 2\n"), "t.toml:4: min_freq is no key that is known here");
    EXPECT_EQ(mistake("vocabulary_size = 300\nconfig_files = [\"tokenizer.json\"]\n"),
              "t.toml:4: config_files names tokenizer.json, which the job writes itself");
    EXPECT_NE(mistake("vocabulary_size = 300\nconfig_files = [\"none.json\"]\n").find("t.toml:4: config_files has "),
              std::string::npos);
    EXPECT_TRUE(mistake("vocabulary_size = 300\n")
                    .starts_with((folder_.path / "data.jsonl").string() + ":2: there is no chat template"))
        << mistake("vocabulary_size = 300\n");
    EXPECT_NE(mistake("vocabulary_size = 300\n").find("(299 more records are wrong)"), std::string::npos);
    write("config.json", R"({"vocab_size": 299})");
    EXPECT_EQ(mistake(std::string(kKeys) + "config_files = [\"config.json\"]\n"),
              "t.toml:4: vocabulary_size is 300, but config.json has a vocab_size of 299");
    write("config.json", R"({"vocab_size": 300, "eos_token_id": [297, 296]})");
    EXPECT_EQ(
        mistake(std::string(kKeys) + "config_files = [\"config.json\"]\n"),
        "t.toml:5: special_tokens give \"<|im_end|>\" the id 298, but config.json has an eos_token_id of [297,296]");
    write("tokenizer_config.json", R"({"eos_token": "<|stop|>"})");
    EXPECT_EQ(mistake("vocabulary_size = 280\nspecial_tokens = [\"a\"]\nconfig_files = [\"tokenizer_config.json\"]\n"),
              "t.toml:4: special_tokens lacks \"<|stop|>\", the eos_token of tokenizer_config.json");
    write("data.jsonl", R"({"tokens": [1, 2]})"
                        "\n");
    EXPECT_NE(mistake("vocabulary_size = 300\n").find("data.jsonl:1: token ids and preferences are no text"),
              std::string::npos);
}

}  // namespace
}  // namespace hone::train
