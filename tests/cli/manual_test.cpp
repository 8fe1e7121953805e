#include "cli/help/manual.h"

#include <gtest/gtest.h>

#include "cli/help/completion.h"

namespace hone::cli {
namespace {

VerbEntry verb_with(FlagEntry flag, std::string notes = "") {
    return {.path = "hone try it", .description = "Tries it", .notes = std::move(notes), .flags = {std::move(flag)}};
}

TEST(CommandTable, ReadsWhatTheParserHolds) {
    CLI::App app;
    std::string mode = "auto", folder;
    int port = 1;
    bool quiet = false;
    std::vector<std::string> inputs;
    CLI::App* verb = app.add_subcommand("try", "Tries");
    verb->add_option("--mode,--manner", mode, "How")->check(CLI::IsMember({"auto", "plain"}))->capture_default_str();
    verb->add_option("--port", port, "Where")->check(CLI::Range(0, 9))->capture_default_str()->envname("PORT");
    verb->add_option("--folder", folder, "Folder");
    verb->add_flag("!--no-page", quiet, "Quiet");
    verb->add_option("INPUT", inputs, "What")->required();
    const VerbEntry table = command_table(app);
    ASSERT_EQ(table.verbs.size(), 1u);
    const VerbEntry& entry = table.verbs[0];
    EXPECT_EQ(entry.path, "hone try");
    ASSERT_EQ(entry.flags.size(), 5u);  // --help is the first
    const FlagEntry &modes = entry.flags[1], &ports = entry.flags[2], &folders = entry.flags[3],
                    &no_page = entry.flags[4];
    EXPECT_EQ(modes.names, (std::vector<std::string>{"--mode", "--manner"}));
    EXPECT_EQ(modes.choices, (std::vector<std::string>{"auto", "plain"}));
    EXPECT_EQ(modes.fallback, "auto");
    EXPECT_EQ(ports.value, FlagEntry::Value::number);
    EXPECT_EQ(ports.range, "0 to 9");
    EXPECT_EQ(ports.variable, "PORT");
    EXPECT_EQ(folders.value, FlagEntry::Value::text);
    EXPECT_EQ(no_page.names, std::vector<std::string>{"--no-page"});
    EXPECT_EQ(no_page.value, FlagEntry::Value::none);
    ASSERT_EQ(entry.arguments.size(), 1u);
    EXPECT_TRUE(entry.arguments[0].is_required && entry.arguments[0].takes_several);
}

TEST(Manual, TextIsShownAsItIs) {
    const std::string page = manual_page(
        verb_with({.names = {"--it"}, .description = ".dot a\\b 'c' ~^`"}, "'first\n.second\n\n  x-y"), "1.2");
    EXPECT_NE(page.find("\n\\&.dot a\\eb \\(aqc\\(aq \\(ti\\(ha\\(ga.\n"), page.npos) << page;
    EXPECT_NE(page.find(".nf\n\\&\\(aqfirst\n\\&.second\n\n  x\\-y\n.fi\n"), page.npos) << page;
    EXPECT_TRUE(page.starts_with(".TH HONE\\-TRY\\-IT 1 \"\" \"hone 1.2\""));
    EXPECT_EQ(page_name(verb_with({})), "hone-try-it.1");
}

TEST(Manual, AFlagHasItsValueRangeDefaultAndVariable) {
    const std::string page = manual_page(verb_with({.names = {"-p", "--port"},
                                                    .value = FlagEntry::Value::number,
                                                    .placeholder = "INT",
                                                    .range = "0 to 9",
                                                    .fallback = "1",
                                                    .variable = "PORT",
                                                    .description = "Port",
                                                    .is_required = true}),
                                         "1");
    EXPECT_NE(page.find(".TP\n\\fB\\-p\\fR, \\fB\\-\\-port\\fR \\fIINT\\fR\n"
                        "Port. From 0 to 9. Default: 1. Environment: PORT. Required.\n"),
              page.npos)
        << page;
}

TEST(Completion, QuotesOfDescriptionsEndNothing) {
    const VerbEntry verb = verb_with({.names = {"--it"}, .description = "The model's [own]: x"});
    EXPECT_NE(completion_script(verb, "zsh").find(R"('--it[The model'\''s \[own\]]')"), std::string::npos);
    EXPECT_NE(completion_script(verb, "fish").find(R"(-d 'The model\'s [own]')"), std::string::npos);
}

}  // namespace
}  // namespace hone::cli
