#include "base/toml_file.h"

#include <gtest/gtest.h>

namespace hone {
namespace {

TomlTable parsed(std::string_view text) {
    auto table = TomlTable::parse(text, "costs.toml");
    EXPECT_TRUE(table) << table.error().message;
    return *table;
}

std::string mistake_of(const TomlTable& table) {
    const Status status = table.finish();
    return status ? "" : status.error().message;
}

TEST(TomlFile, values_of_every_kind) {
    TomlTable root = parsed(R"(
name = "a \"server\""
speed = "fast"
[machine]
rate = 7.5
whole = 3
overlaps = true
lengths = [1, 2, 3]
[[layer]]
rows = 1
[[layer]]
rows = 2
)");
    EXPECT_EQ(root.text("name"), "a \"server\"");
    EXPECT_EQ(root.choice("speed", {"slow", "fast"}), 1u);
    TomlTable machine = root.table("machine");
    EXPECT_EQ(machine.number("rate", 0, 10), 7.5);
    EXPECT_EQ(machine.number("whole", 0, 10), 3.0);
    EXPECT_TRUE(machine.flag("overlaps"));
    EXPECT_EQ(machine.integers("lengths", 0, 9), (std::vector<int64_t>{1, 2, 3}));
    EXPECT_EQ(machine.integer("missing", 0, 9, 4), 4);
    EXPECT_FALSE(machine.has("missing"));
    std::vector<TomlTable> layers = root.tables("layer");
    ASSERT_EQ(layers.size(), 2u);
    EXPECT_EQ(layers[0].integer("rows", 0, 9), 1);
    EXPECT_EQ(layers[1].integer("rows", 0, 9), 2);
    EXPECT_TRUE(root.tables("none").empty());
    EXPECT_EQ(mistake_of(root), "");
}

TEST(TomlFile, mistakes_name_file_line_and_key) {
    const auto mistake = [](std::string_view text, auto read) {
        TomlTable root = parsed(text);
        read(root);
        return mistake_of(root);
    };
    EXPECT_EQ(mistake("\n[machine]\nrate = 70\n", [](TomlTable& root) { root.table("machine").number("rate", 0, 10); }),
              "costs.toml:3: machine.rate is 70; it must be a number from 0 to 10");
    EXPECT_EQ(mistake("rate = 'x'", [](TomlTable& root) { root.number("rate", 0, 10); }),
              "costs.toml:1: rate is a text; it must be a number from 0 to 10");
    EXPECT_EQ(mistake("rate = nan", [](TomlTable& root) { root.number("rate", 0, 10); }),
              "costs.toml:1: rate is nan; it must be a number from 0 to 10");
    EXPECT_EQ(mistake("rows = 1.5", [](TomlTable& root) { root.integer("rows", 0, 10); }),
              "costs.toml:1: rows is a number; it must be an integer from 0 to 10");
    EXPECT_EQ(mistake("a = 1\n[machine]\n",
                      [](TomlTable& root) {
                          root.integer("a", 0, 1);
                          root.table("machine").text("name");
                      }),
              "costs.toml:2: machine.name is missing");
    EXPECT_EQ(mistake("", [](TomlTable& root) { root.table("machine").text("name"); }),
              "costs.toml:1: machine.name is missing");
    EXPECT_EQ(mistake("way = 'up'",
                      [](TomlTable& root) {
                          root.choice("way", {"left", "right"});
                      }),
              "costs.toml:1: way must be one of \"left\", \"right\"");
    EXPECT_EQ(mistake("on = 1", [](TomlTable& root) { root.flag("on"); }),
              "costs.toml:1: on is an integer; it must be true or false");
    EXPECT_EQ(mistake("a = [1, 'b']", [](TomlTable& root) { root.integers("a", 0, 9); }),
              "costs.toml:1: a must be a list of integers from 0 to 9");
    EXPECT_EQ(mistake("machine = 1", [](TomlTable& root) { root.table("machine"); }),
              "costs.toml:1: machine must be a table: [machine]");
    EXPECT_EQ(mistake("layer = [1]", [](TomlTable& root) { root.tables("layer"); }),
              "costs.toml:1: layer must be tables: [[layer]]");
    EXPECT_EQ(mistake("a = 1\nheads = 3\n",
                      [](TomlTable& root) {
                          root.integer("a", 0, 1);
                          root.integer("heads", 1, 9);
                          root.mistake("heads", "must be even");
                      }),
              "costs.toml:2: heads must be even");
}

TEST(TomlFile, a_key_that_nobody_asked_for_is_told) {
    TomlTable root = parsed("a = 1\n[machine]\nrate = 1\nraet = 2\n[[layer]]\nrows = 1\nrosw = 1\n");
    root.integer("a", 0, 9);
    root.table("machine").number("rate", 0, 9);
    for (TomlTable& layer : root.tables("layer")) layer.integer("rows", 0, 9);
    EXPECT_EQ(mistake_of(root), "costs.toml:4: machine.raet is no key that is known here");
    root.table("machine").number("raet", 0, 9);
    EXPECT_EQ(mistake_of(root), "costs.toml:7: layer.rosw is no key that is known here");
}

TEST(TomlFile, what_is_no_toml_is_told_with_its_line) {
    const auto failed = TomlTable::parse("a = 1\nb = = 2\n", "costs.toml");
    ASSERT_FALSE(failed);
    EXPECT_TRUE(failed.error().message.starts_with("costs.toml:2: ")) << failed.error().message;
    EXPECT_FALSE(TomlTable::parse("a = 1\na = 2\n", "costs.toml"));
    EXPECT_FALSE(TomlTable::parse("a = " + std::string(100'000, '['), "costs.toml"));
    const auto missing = TomlTable::read("/nowhere/costs.toml");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("/nowhere/costs.toml"), std::string::npos);
}

}  // namespace
}  // namespace hone
