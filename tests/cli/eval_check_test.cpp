// What makes an answer right: each check, with answers that pass and answers that do not.
#include <gtest/gtest.h>

#include "cli/eval/check.h"
#include "cli/eval/json_difference.h"

namespace hone::cli {
namespace {

namespace json = boost::json;

json::value parsed(std::string_view text) {
    auto value = text::parse_json(text);
    EXPECT_TRUE(value) << text;
    return value ? *value : json::value();
}

Result<Check> check_from(std::string_view text) {
    const json::value value = parsed(text);
    std::optional<Error> failure;
    Check check;
    read_check(text::JsonView(value, failure), value.get_object(), check);
    if (failure) return *failure;
    return check;
}

bool is_right(std::string_view check, std::string content) {
    const auto read = check_from(check);
    EXPECT_TRUE(read) << (read ? "" : read.error().message);
    return read && !text_fault(*read, {.content = std::move(content)});
}

TEST(EvalCheck, exact_text_without_blanks_around_it) {
    EXPECT_TRUE(is_right(R"({"exact": "Yes."})", " Yes.\n"));
    EXPECT_FALSE(is_right(R"({"exact": "Yes."})", "yes."));
    EXPECT_TRUE(is_right(R"({"exact": ["No", "Yes"]})", "Yes"));
    EXPECT_FALSE(is_right(R"({"exact": ["No", "Yes"]})", "No Yes"));
}

TEST(EvalCheck, all_parts_are_contained) {
    EXPECT_TRUE(is_right(R"({"contains": ["b", "a"]})", "abc"));
    EXPECT_FALSE(is_right(R"({"contains": ["a", "d"]})", "abc"));
}

TEST(EvalCheck, expressions_match_somewhere) {
    EXPECT_TRUE(is_right(R"({"regex": "^\\p{Lu}\\w+\\.$"})", "Zürich."));
    EXPECT_FALSE(is_right(R"({"regex": "^\\d+$"})", "12 pieces"));
    EXPECT_FALSE(is_right(R"({"regex": ["1", "3"]})", "12 pieces"));
}

TEST(EvalCheck, checks_hold_together) {
    EXPECT_TRUE(is_right(R"({"contains": "is", "number": 4})", "It is 4"));
    EXPECT_FALSE(is_right(R"({"contains": "was", "number": 4})", "It is 4"));
    EXPECT_FALSE(is_right(R"({"contains": "is", "number": 5})", "It is 4"));
}

TEST(EvalCheck, json_as_data) {
    constexpr const char* kCheck = R"({"json": {"a": [1, 2.5], "b": null, "c": {"d": true}}})";
    EXPECT_TRUE(is_right(kCheck, R"({"c": {"d": true}, "b": null, "a": [1.0, 25e-1]})"));
    EXPECT_TRUE(is_right(kCheck, "```json\n{\"a\": [1, 2.5], \"b\": null, \"c\": {\"d\": true}}\n```"));
    EXPECT_FALSE(is_right(kCheck, R"({"a": [2.5, 1], "b": null, "c": {"d": true}})"));
    EXPECT_FALSE(is_right(kCheck, R"({"a": [1, 2.5], "c": {"d": true}})"));
    EXPECT_FALSE(is_right(kCheck, R"({"a": [1, 2.5], "b": null, "c": {"d": 1}})"));
    EXPECT_FALSE(is_right(kCheck, R"({"a": [1, 2.5], "b": null, "c": {"d": true}, "e": 1})"));
    EXPECT_FALSE(is_right(kCheck, R"(It is {"a": [1, 2.5], "b": null, "c": {"d": true}})"));
    EXPECT_TRUE(is_right(R"({"json": null})", "null"));
}

TEST(EvalCheck, differences_are_told_with_their_path) {
    const auto difference = [](const char* expected, const char* got) {
        return json_difference(parsed(expected), parsed(got)).value_or("");
    };
    EXPECT_EQ(difference(R"({"a": [{"b": "x"}]})", R"({"a": [{"b": "y"}]})"), R"(.a[0].b: expected "x", got "y")");
    EXPECT_EQ(difference("[1, 2]", "[1]"), "the list: expected 2 elements, got 1");
    EXPECT_EQ(difference("1", "1.5"), "the value: expected 1, got 1.5");
    EXPECT_EQ(difference("9007199254740993", "9007199254740992").empty(), false) << "whole numbers are exact";
    EXPECT_EQ(difference("18446744073709551615", "-1").empty(), false);
    EXPECT_EQ(difference("1", "true").empty(), false);
    EXPECT_EQ(json_text(parsed(R"({"a":[1,"ü"],"b":0.5})")), R"({"a": [1, "ü"], "b": 0.5})");
}

TEST(EvalCheck, the_last_number) {
    EXPECT_EQ(last_number("12 and 7."), 7);
    EXPECT_EQ(last_number("It costs $1,234.50."), 1234.5);
    EXPECT_EQ(last_number("1,2,3"), 3);
    EXPECT_EQ(last_number("x = -5"), -5);
    EXPECT_EQ(last_number("12-5"), 5) << "no sign behind a number";
    EXPECT_EQ(last_number("\xE2\x88\x92"
                          "4 degrees"),
              -4);
    EXPECT_EQ(last_number("**-2.5e3**"), -2500);
    EXPECT_EQ(last_number("room B12"), std::nullopt);
    EXPECT_EQ(last_number("none"), std::nullopt);
    EXPECT_EQ(last_number("+3"), 3);
    EXPECT_EQ(last_number("a half is .5"), 0.5) << "without a digit before its point";
    EXPECT_EQ(last_number("x = -.25e1."), -2.5);
    EXPECT_EQ(last_number("It is 4...5"), 4) << "dots are no point";
    EXPECT_EQ(last_number("1.5.25"), 1.5);
}

TEST(EvalCheck, numbers_within_the_tolerance) {
    EXPECT_FALSE(is_right(R"({"number": 3.14})", "3.1"));
    EXPECT_TRUE(is_right(R"({"number": 3.14, "tolerance": 0.05})", "about 3.1"));
    EXPECT_FALSE(is_right(R"({"number": 3})", "three"));
}

TEST(EvalCheck, calls_by_name_and_arguments) {
    const auto check = check_from(R"({"tool_call": {"name": "add", "arguments": {"a": 1, "b": "x"}}})");
    ASSERT_TRUE(check && check->calls && check->calls->size() == 1);
    const ExpectedCall& expected = check->calls->front();
    EXPECT_FALSE(call_fault(expected, {"add", R"({"b": "x", "a": 1.0})"}));
    EXPECT_EQ(call_fault(expected, {"sub", "{}"}), "called sub, expected add");
    EXPECT_EQ(call_fault(expected, {"add", R"({"a": 1})"}), "arguments of add: .b is missing");
    EXPECT_TRUE(call_fault(expected, {"add", R"({"a": 1,)"}));
    const auto none = check_from(R"({"tool_call": null})");
    EXPECT_TRUE(none && none->calls && none->calls->empty());
}

TEST(EvalCheck, mistakes_are_named_with_their_path) {
    const auto fault = [](const char* text) {
        const auto check = check_from(text);
        return check ? std::string() : check.error().message;
    };
    EXPECT_TRUE(fault(R"({"exakt": "a"})").starts_with("exakt: is no check")) << fault(R"({"exakt": "a"})");
    EXPECT_EQ(fault(R"({"exact": 5})"), "exact: expected a string");
    EXPECT_EQ(fault(R"({"contains": ["a", 1]})"), "contains[1]: expected a string");
    EXPECT_EQ(fault(R"({"contains": []})"), "contains: is empty");
    EXPECT_TRUE(fault(R"({"regex": "("})").starts_with("regex: pattern"));
    EXPECT_EQ(fault(R"({"number": "4"})"), "number: expected a number");
    EXPECT_EQ(fault(R"({"exact": "a", "tolerance": 1})"), "tolerance: goes with 'number', which is not there");
    EXPECT_EQ(fault(R"({"calls": [{"name": "f", "arguments": 1}]})"), "calls[0].arguments: expected an object");
    EXPECT_EQ(fault(R"({"calls": [{"name": "f", "arguments": {}, "reply": 1}]})"),
              "calls[0].reply: is no field of a call");
    EXPECT_TRUE(fault(R"({"calls": [{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}]})")
                    .starts_with("calls: [0] has no 'result'"));
    EXPECT_TRUE(fault(R"({"tool_call": null, "calls": []})").starts_with("calls: cannot be combined"));
}

}  // namespace
}  // namespace hone::cli
