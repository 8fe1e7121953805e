// Recipes of stages: what each reads is there or comes from an earlier one, and every mistake is found before any runs.
#include "train/stages.h"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace hone::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPretrain = R"(kind = "pretrain"
output = "runs/pretrain"
[architecture]
config = "runs/tokenizer/final/config.json"
[data]
files = ["data.jsonl"]
)";
constexpr std::string_view kChat = R"(kind = "sft"
model = "runs/pretrain/final"
output = "runs/chat"
[train]
what = "full"
[data]
files = ["data.jsonl"]
)";

class StagesTest : public testing::Test {
  protected:
    StagesTest() {
        write("data.jsonl", "{\"text\": \"a\"}\n");
        write("tokenizer.toml",
              "kind = \"tokenizer\"\noutput = \"runs/tokenizer\"\nvocabulary_size = 300\n[data]\nfiles = "
              "[\"data.jsonl\"]\n");
        write("pretrain.toml", kPretrain);
        write("chat.toml", kChat);
    }

    fs::path path(const std::string& name) const { return folder_.path / name; }
    void write(const std::string& name, std::string_view text) const {
        std::ofstream(path(name), std::ios::binary) << text;
    }
    Result<std::vector<Stage>> read(std::string_view stages) const {
        write("all.toml", fmt::format("kind = \"stages\"\nstages = [{}]\n", stages));
        return read_stages(path("all.toml"));
    }
    // Without the folder.
    std::string mistake(std::string_view stages) const {
        const auto read = this->read(stages);
        std::string message = read ? "" : read.error().message;
        const std::string folder = folder_.path / "";
        for (size_t at; (at = message.find(folder)) != std::string::npos;) message.erase(at, folder.size());
        return message;
    }

    TemporaryFolder folder_;
};

TEST_F(StagesTest, a_stage_reads_what_an_earlier_one_writes) {
    auto stages = read(R"("tokenizer.toml", "pretrain.toml", "chat.toml")");
    ASSERT_TRUE(stages) << stages.error().message;
    ASSERT_EQ(stages->size(), 3U);
    EXPECT_EQ((*stages)[0].kind(), "tokenizer");
    EXPECT_EQ((*stages)[1].kind(), "pretrain");
    EXPECT_EQ((*stages)[2].output(), path("runs/chat"));
    EXPECT_TRUE((*stages)[0].awaited.empty());
    EXPECT_EQ((*stages)[1].awaited, std::vector{path("runs/tokenizer/final/config.json").string() + " of stage 1"});
    EXPECT_EQ((*stages)[2].awaited, std::vector{path("runs/pretrain/final").string() + " of stage 2"});
    fs::create_directories(path("runs/pretrain/final"));
    EXPECT_TRUE((*read(R"("tokenizer.toml", "pretrain.toml", "chat.toml")"))[2].awaited.empty());
}

TEST_F(StagesTest, begun_anew_none_reads_what_an_earlier_run_has_left) {
    fs::create_directories(path("runs/tokenizer/final"));
    fs::create_directories(path("runs/pretrain/final"));
    write("runs/tokenizer/final/config.json", "{}");
    write("all.toml", "kind = \"stages\"\nstages = [\"tokenizer.toml\", \"pretrain.toml\", \"chat.toml\"]\n");
    const auto stages = read_stages(path("all.toml"), true);
    ASSERT_TRUE(stages) << stages.error().message;
    EXPECT_TRUE((*stages)[0].awaited.empty());
    EXPECT_EQ((*stages)[1].awaited, std::vector{path("runs/tokenizer/final/config.json").string() + " of stage 1"});
    EXPECT_EQ((*stages)[2].awaited, std::vector{path("runs/pretrain/final").string() + " of stage 2"});
    // What no stage writes is only read.
    write("all.toml", "kind = \"stages\"\nstages = [\"chat.toml\"]\n");
    EXPECT_TRUE(read_stages(path("all.toml"), true).value()[0].awaited.empty());
}

TEST_F(StagesTest, mistakes_of_every_stage_are_found_first) {
    EXPECT_EQ(
        mistake(R"("pretrain.toml", "tokenizer.toml")"),
        "pretrain.toml:4: architecture.config names runs/tokenizer/final/config.json, which stage 2 writes later");
    EXPECT_EQ(mistake(R"("tokenizer.toml", "chat.toml")"),
              "chat.toml:2: model names runs/pretrain/final: it is not there, and no earlier stage writes it");
    EXPECT_EQ(
        mistake(R"("tokenizer.toml", "tokenizer.toml")"),
        "all.toml:2: stages names tokenizer.toml and tokenizer.toml, which write into one folder: runs/tokenizer");
    EXPECT_EQ(mistake(R"("none.toml")"), "all.toml:2: stages names none.toml: there is no such file");
    EXPECT_EQ(mistake(""), "all.toml:2: stages must name at least one recipe");
    EXPECT_EQ(mistake(R"("all.toml")"), "all.toml: is a recipe of stages itself; name its stages");
    write("chat.toml", std::string(kChat) + "epochs = 2\n");
    EXPECT_EQ(mistake(R"("tokenizer.toml", "pretrain.toml", "chat.toml")"),
              "chat.toml:8: data.epochs is no key that is known here");
    write("chat.toml", "kind = \"stage\"\n");
    EXPECT_TRUE(mistake(R"("chat.toml")").starts_with("chat.toml:1: kind must be one of \"pretrain\", \"sft\""));
}

TEST_F(StagesTest, other_readers_say_who_runs_such_a_recipe) {
    EXPECT_NE(read_recipe(path("tokenizer.toml")).error().message.find("kind is what only `hone train` runs"),
              std::string::npos);
}

}  // namespace
}  // namespace hone::train
