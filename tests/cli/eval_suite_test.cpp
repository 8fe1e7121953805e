// Suites as they are read, the cases that are chosen of them, and how one is played.
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "cli/eval/dialogue.h"
#include "cli/eval/eval_report.h"
#include "tests/temporary_folder.h"

namespace hone::cli {
namespace {

class EvalSuite : public testing::Test {
  protected:
    std::string write(const std::string& name, std::string_view lines) {
        const std::string path = folder_.path / name;
        std::ofstream(path) << lines;
        return path;
    }
    // Why the lines are no suite.
    std::string fault(std::string_view lines) {
        const auto suite = read_suite(write("broken.jsonl", lines));
        return suite ? "" : suite.error().message.substr(folder_.path.string().size() + 1);
    }
    Suite suite(std::string_view lines) {
        auto read = read_suite(write("some.jsonl", lines));
        EXPECT_TRUE(read) << (read ? "" : read.error().message);
        return read ? std::move(*read) : Suite{};
    }

    TemporaryFolder folder_;
};

constexpr const char* kCase = R"({"messages": [{"role": "user", "content": "Hi"}], "check": {"exact": "Hello"}})";

TEST_F(EvalSuite, cases_and_texts) {
    const Suite cases = suite(fmt::format("{}\n\n{}\r\n", kCase, R"({"prompt": "1+1=", "check": {"number": 2}})"));
    ASSERT_EQ(cases.cases.size(), 2U);
    EXPECT_EQ(cases.name, "some");
    EXPECT_EQ(cases.cases[0].id, "1");
    EXPECT_EQ(cases.cases[1].id, "3") << "the line's number";
    const Suite texts = suite("{\"text\": \"a\"}\n{\"ids\": [1]}\n");
    EXPECT_TRUE(texts.is_of_texts);
    EXPECT_TRUE(texts.cases.empty());
}

TEST_F(EvalSuite, mistakes_name_file_line_and_field) {
    const std::string good = std::string(kCase) + "\n";
    EXPECT_TRUE(fault(good + "{\n").starts_with("broken.jsonl:2: not valid JSON"));
    EXPECT_EQ(fault(good + "[]"), "broken.jsonl:2: expected an object");
    EXPECT_TRUE(fault(good + R"({"check": {"exact": "a"}})").starts_with("broken.jsonl:2: give either 'messages'"));
    EXPECT_TRUE(fault(R"({"prompt": "a", "cheque": 1, "check": {"exact": "a"}})")
                    .starts_with("broken.jsonl:1: cheque: is no field"));
    EXPECT_TRUE(fault(R"({"prompt": "a"})").starts_with("broken.jsonl:1: check: expected an object"));
    EXPECT_TRUE(fault(R"({"prompt": "a", "check": {}})").starts_with("broken.jsonl:1: check: is empty"));
    EXPECT_EQ(fault(R"({"prompt": "a", "check": {"exact": 1}})"), "broken.jsonl:1: check.exact: expected a string");
    EXPECT_TRUE(fault(R"({"messages": [{"content": "a"}], "check": {"exact": "a"}})").find("messages[0].role") !=
                std::string::npos);
    EXPECT_TRUE(
        fault(
            R"({"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}], "check": {"tool_call": null}})")
            .find("tools[0].function") != std::string::npos);
    EXPECT_TRUE(
        fault(
            R"({"messages": [{"role": "user", "content": "a"}], "check": {"tool_call": {"name": "f", "arguments": {}}}})")
            .starts_with("broken.jsonl:1: tools: expected the tools"));
    const std::string twice = R"({"id": "x", "prompt": "a", "check": {"exact": "a"}})";
    EXPECT_EQ(fault(twice + "\n" + twice), "broken.jsonl:2: id: \"x\" is the id of an earlier case too");
    EXPECT_EQ(fault("\n\n"), "broken.jsonl: there is no case in it");
}

TEST_F(EvalSuite, each_line_of_texts_is_looked_at) {
    const std::string good = "{\"text\": \"a\"}\n\n";
    const std::string expected = R"(broken.jsonl:3: expected {"ids": [...]} or {"text": "..."})";
    EXPECT_EQ(fault(good + R"({"prompt": "a", "check": {"exact": "a"}})"), expected);
    EXPECT_EQ(fault(good + R"({"text": "a", "ids": [1]})"), expected);
    EXPECT_EQ(fault(good + "[]"), "broken.jsonl:3: expected an object");
    EXPECT_EQ(fault(good + R"({"text": 5})"), "broken.jsonl:3: 'text' must be a string");
    EXPECT_EQ(fault(good + R"({"ids": "1"})"), "broken.jsonl:3: 'ids' must be a list of token ids");
    EXPECT_EQ(fault(good + R"({"ids": []})"), "broken.jsonl:3: no token to score");
}

TEST_F(EvalSuite, suites_are_files_folders_and_names) {
    const std::string b = write("b.jsonl", ""), a = write("a.jsonl", "");
    write("README.md", "");
    const auto find = [&](const std::string& named, std::optional<std::string> shipped) {
        const std::string names[] = {named};
        auto found = find_suites(names, shipped);
        return found ? *found : std::vector<std::string>{found.error().message};
    };
    EXPECT_EQ(find(a, {}), std::vector{a});
    EXPECT_EQ(find(folder_.path, {}), (std::vector{a, b}));
    EXPECT_EQ(find("b", folder_.path), std::vector{b});
    std::filesystem::create_directory("b");  // of the working directory, as `tools/` may be
    EXPECT_EQ(find("b", folder_.path), std::vector{b});
    std::filesystem::remove("b");
    EXPECT_TRUE(find("b", {})[0].starts_with("b: there is no such suite"));
    EXPECT_TRUE(find("c", folder_.path)[0].ends_with("the name of one in " + folder_.path.string()));
}

TEST(EvalSelection, a_sample_stays_when_others_come) {
    std::vector<std::string> ids;
    for (int i = 0; i < 200; i++) ids.push_back(fmt::format("case-{}", i));
    const auto names = [&](const std::vector<std::string>& of, size_t count, uint64_t seed) {
        std::set<std::string> chosen;
        for (const size_t i : select_cases(of, {.sample = count, .seed = seed})) chosen.insert(of[i]);
        return chosen;
    };
    const auto sample = names(ids, 50, 1);
    EXPECT_EQ(sample.size(), 50U);
    EXPECT_NE(sample, names(ids, 50, 2));
    std::vector<std::string> reversed(ids.rbegin(), ids.rend());
    EXPECT_EQ(sample, names(reversed, 50, 1));
    const auto larger = names(ids, 60, 1);
    EXPECT_TRUE(std::includes(larger.begin(), larger.end(), sample.begin(), sample.end()));
    EXPECT_EQ(select_cases(ids, {.limit = 3}), (std::vector<size_t>{0, 1, 2}));
    EXPECT_EQ(select_cases(ids, {.limit = 900, .sample = 900}).size(), ids.size());
}

TEST(EvalSelection, draws_depend_on_seed_name_and_turn) {
    EXPECT_EQ(case_draw(1, "a", 0), case_draw(1, "a", 0));
    const std::set<uint64_t> draws{case_draw(1, "a", 0), case_draw(2, "a", 0), case_draw(1, "b", 0),
                                   case_draw(1, "a", 1)};
    EXPECT_EQ(draws.size(), 4U);
}

constexpr const char* kLoop =
    R"({"messages": [{"role": "user", "content": "Go"}], "tools": [{"type": "function", "function": {"name": "f"}}],
    "check": {"calls": [{"name": "f", "arguments": {"n": 1}, "result": {"got": 5}}, {"name": "f", "arguments": {"n": 5}, "result": "done"}],
              "contains": "done"}})";

std::string one_line(std::string text) {
    std::erase(text, '\n');
    return text;
}

TEST_F(EvalSuite, results_are_fed_back_until_the_text_comes) {
    const Suite loop = suite(one_line(kLoop));
    ASSERT_EQ(loop.cases.size(), 1U);
    Dialogue dialogue(loop.cases[0], Decoding{});
    const auto first = dialogue.body();
    EXPECT_EQ(first.at("messages").as_array().size(), 1U);
    ASSERT_TRUE(dialogue.take({.reasoning = "Hm.", .calls = {{"f", R"({"n":1})"}}}));
    const auto second = dialogue.body();
    const auto& messages = second.at("messages").as_array();
    ASSERT_EQ(messages.size(), 3U);
    EXPECT_EQ(messages[1].at("reasoning_content"), "Hm.");
    EXPECT_EQ(messages[1].at("tool_calls").as_array()[0].at("function").at("arguments"), R"({"n":1})");
    EXPECT_EQ(messages[2].at("content"), R"({"got": 5})");
    EXPECT_NE(first.at("seed"), second.at("seed"));
    ASSERT_TRUE(dialogue.take({.calls = {{"f", R"({"n":5})"}}}));
    EXPECT_FALSE(dialogue.take({.content = "It is done."}));
    EXPECT_TRUE(dialogue.verdict().right) << dialogue.verdict().reason;
}

TEST_F(EvalSuite, a_wrong_call_ends_the_case) {
    const Suite loop = suite(one_line(kLoop));
    const auto reason_of = [&](std::vector<Answer> answers) {
        Dialogue dialogue(loop.cases.at(0), Decoding{});
        for (size_t i = 0; i < answers.size(); i++) {
            const bool goes_on = dialogue.take(std::move(answers[i]));
            EXPECT_EQ(goes_on, i + 1 < answers.size());
        }
        EXPECT_FALSE(dialogue.verdict().right);
        return dialogue.verdict().reason;
    };
    const Call one{"f", R"({"n": 1})"}, five{"f", R"({"n": 5})"};
    EXPECT_EQ(reason_of({{.calls = {five}}}), "arguments of f: .n: expected 1, got 5");
    EXPECT_EQ(reason_of({{.content = "done"}}), "no call, expected one of f");
    EXPECT_EQ(reason_of({{.calls = {one}}, {.calls = {five}}, {.content = "well"}}), "\"done\" is not in the answer");
    EXPECT_EQ(reason_of({{.calls = {one}}, {.calls = {five}}, {.calls = {five}}}),
              "called f {\"n\": 5}, expected no further call");
    EXPECT_EQ(reason_of({{.content = "do", .was_cut = true, .tokens = 7}}),
              "no call, expected one of f; cut off after 7 tokens");
    // Two at once are two in order.
    Dialogue dialogue(loop.cases.at(0), Decoding{});
    EXPECT_TRUE(dialogue.take({.calls = {one, five}}));
    EXPECT_EQ(dialogue.body().at("messages").as_array().size(), 4U);
}

TEST_F(EvalSuite, a_case_without_calls_is_right_or_wrong_at_once) {
    const Suite none = suite(one_line(
        R"({"messages": [{"role": "user", "content": "Go"}], "tools": [{"type": "function", "function": {"name": "f"}}],
        "check": {"tool_call": null, "contains": "cannot"}})"));
    const auto verdict = [&](Answer answer) {
        Dialogue dialogue(none.cases.at(0), Decoding{});
        EXPECT_FALSE(dialogue.take(std::move(answer)));
        return dialogue.verdict();
    };
    EXPECT_TRUE(verdict({.content = "I cannot."}).right);
    EXPECT_EQ(verdict({.content = "I cannot.", .calls = {{"f", "{}"}}}).reason, "called f {}, expected no call");
    EXPECT_FALSE(verdict({.content = "I can."}).right);
}

TEST(EvalReport, wilson_intervals) {
    // Computed apart in Python; none and all right reach the ends.
    const auto [low, high] = wilson_interval(90, 100);
    EXPECT_NEAR(low, 0.8256343, 1e-6);
    EXPECT_NEAR(high, 0.9447708, 1e-6);
    EXPECT_EQ(wilson_interval(0, 10).first, 0);
    EXPECT_NEAR(wilson_interval(0, 10).second, 0.2775328, 1e-6);
    EXPECT_NEAR(wilson_interval(10, 10).second, 1, 1e-12);
}

}  // namespace
}  // namespace hone::cli
