// Which template a model's folder brings, and telling a folder without one from a broken one.
#include "text/chat/template_files.h"

#include <unistd.h>

#include "tests/text/template_golden.h"

namespace hone::text {
namespace {

namespace fs = std::filesystem;

class TemplateFiles : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / fmt::format("hone_template_files_{}", getpid());
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    void write(const std::string& name, std::string_view text) {
        fs::create_directories((folder_ / name).parent_path());
        std::ofstream(folder_ / name, std::ios::binary) << text;
    }
    std::string render(bool has_tools = false) {
        auto loaded = ChatTemplates::load(folder_);
        if (!loaded) return "error: " + loaded.error().message;
        if (!*loaded) return "none";
        return (*loaded)->choose(has_tools).render({})->text;
    }

    fs::path folder_;
};

TEST_F(TemplateFiles, a_folder_without_a_template_is_no_error) {
    EXPECT_EQ(render(), "none");
    write("tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": null})");
    EXPECT_EQ(render(), "none");
}

TEST_F(TemplateFiles, the_file_wins_over_the_config) {
    write("tokenizer_config.json", R"({"chat_template": "config"})");
    EXPECT_EQ(render(), "config");
    write("chat_template.jinja", "file\n");
    EXPECT_EQ(render(), "file");
    write("additional_chat_templates/tool_use.jinja", "tools");
    EXPECT_EQ(render(), "file");
    EXPECT_EQ(render(true), "tools");
}

TEST_F(TemplateFiles, a_config_may_name_several) {
    write("tokenizer_config.json",
          R"({"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]})");
    EXPECT_EQ(render(), "d");
    EXPECT_EQ(render(true), "t");
    write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "r"}]})");
    EXPECT_EQ(render(true), "r");
    write("tokenizer_config.json",
          R"({"chat_template": [{"name": "a", "template": "r"}, {"name": "b", "template": "r"}]})");
    EXPECT_NE(render().find("none is called \"default\""), std::string::npos);
}

TEST_F(TemplateFiles, files_in_memory_are_as_good_as_a_folder) {
    const std::map<std::string, std::string_view> contents = {
        {"tokenizer_config.json", R"({"chat_template": "config", "bos_token": "<s>"})"},
        {"additional_chat_templates/tool_use.jinja", "tools"},
        {"additional_chat_templates/deeper/rag.jinja", "{{"},
        {"additional_chat_templates/note.txt", "{{"}};
    for (const auto& [name, content] : contents) write(name, content);
    for (const FileSet& files : {FileSet(folder_), FileSet(folder_, contents)}) {
        auto templates = ChatTemplates::load(files);
        ASSERT_TRUE(templates.ok()) << templates.error().message;
        EXPECT_EQ((*templates)->by_name().size(), 2u);
        EXPECT_EQ((*templates)->choose(false).render({})->text, "config");
        EXPECT_EQ((*templates)->choose(true).render({})->text, "tools");
        EXPECT_EQ(load_special_tokens(files)->front(), SpecialTokens::value_type("bos_token", "<s>"));
    }
    const FileSet broken("model.hone", {{"additional_chat_templates/rag.jinja", "{{"}});
    EXPECT_EQ(
        ChatTemplates::load(broken).error().message.find("model.hone/additional_chat_templates/rag.jinja, line 1"), 0u)
        << ChatTemplates::load(broken).error().message;
}

TEST_F(TemplateFiles, broken_files_are_named) {
    auto expect_error = [&](std::string_view file, std::string_view reason) {
        std::string outcome = render();
        EXPECT_EQ(outcome.rfind("error: " + (folder_ / file).string(), 0), 0u) << outcome;
        EXPECT_NE(outcome.find(reason), std::string::npos) << outcome;
    };
    write("tokenizer_config.json", "{");
    expect_error("tokenizer_config.json", "not JSON");
    write("tokenizer_config.json", R"({"chat_template": 5})");
    expect_error("tokenizer_config.json", "chat_template: expected");
    write("tokenizer_config.json", R"({"chat_template": [{"name": 1}]})");
    expect_error("tokenizer_config.json", "chat_template[0].name: expected a string");
    write("tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})");
    expect_error("tokenizer_config.json", "chat_template[0].template: expected a string, but it is missing");
    write("tokenizer_config.json", R"({"chat_template": "\n{% if %}"})");
    expect_error("tokenizer_config.json", "chat_template, line 2: TemplateSyntaxError");
    write("chat_template.jinja", "{{");
    expect_error("chat_template.jinja", "line 1: TemplateSyntaxError");
}

TEST_F(TemplateFiles, special_tokens_are_texts_or_objects) {
    EXPECT_TRUE(load_special_tokens(folder_)->empty());
    write("tokenizer_config.json",
          R"({"bos_token": null, "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": "<p>"})");
    write("special_tokens_map.json", R"({"bos_token": "<s>", "eos_token": "other"})");
    SpecialTokens wanted = {{"eos_token", "</s>"}, {"pad_token", "<p>"}, {"bos_token", "<s>"}};
    EXPECT_EQ(*load_special_tokens(folder_), wanted);
    write("tokenizer_config.json", R"({"bos_token": 7})");
    EXPECT_NE(load_special_tokens(folder_).error().message.find("bos_token: expected a string"), std::string::npos);
}

}  // namespace
}  // namespace hone::text
