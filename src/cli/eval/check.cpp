#include "cli/eval/check.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/stripped.h"
#include "cli/eval/json_difference.h"

namespace hone::cli {

namespace json = boost::json;

namespace {

// One text, or a list of them.
std::vector<std::string> read_texts(const text::JsonView& view) {
    std::vector<std::string> texts;
    if (!view.is_array()) {
        texts.emplace_back(view.text());
        return texts;
    }
    view.for_each([&](const text::JsonView& element) { texts.emplace_back(element.text()); });
    if (texts.empty()) view.fail("is empty");
    return texts;
}

std::vector<Regex> read_regex(const text::JsonView& view) {
    std::vector<Regex> expressions;
    for (std::string& source : read_texts(view)) {
        auto pattern = text::make_regex(source, text::RegexDialect::kRust);
        if (!pattern) {
            view.fail(pattern.error().message);
            break;
        }
        expressions.push_back({std::move(source), std::move(*pattern)});
    }
    return expressions;
}

// `given` is what the view sees.
ExpectedCall read_call(const text::JsonView& view, const json::value& given) {
    ExpectedCall call{.name = std::string(view["name"].text()), .arguments = {}, .result = {}};
    view.for_each_member([&](std::string_view key, const text::JsonView& member) {
        if (key != "name" && key != "arguments" && key != "result") member.fail("is no field of a call");
    });
    const json::object* fields = given.if_object();
    const json::value* arguments = fields ? fields->if_contains("arguments") : nullptr;
    if (arguments && arguments->is_object())
        call.arguments = arguments->get_object();
    else
        view["arguments"].fail("expected an object");
    if (const json::value* result = fields ? fields->if_contains("result") : nullptr)
        call.result = result->is_string() ? std::string(result->get_string()) : json_text(*result);
    return call;
}

void read_calls(const text::JsonView& view, const json::object& given, Check& check) {
    const json::value *one = given.if_contains("tool_call"), *several = given.if_contains("calls");
    if (one && several) return view["calls"].fail("cannot be combined with 'tool_call'");
    if (one) {
        check.calls.emplace();
        if (!one->is_null()) check.calls->push_back(read_call(view["tool_call"], *one));
    }
    if (!several) return;
    check.calls.emplace();
    const text::JsonView list = view["calls"];
    if (!list.is_array()) return list.fail("expected an array");
    size_t index = 0;
    list.for_each([&](const text::JsonView& element) {
        check.calls->push_back(read_call(element, several->get_array()[index++]));
    });
    for (size_t i = 0; i + 1 < check.calls->size(); i++) {
        if (!(*check.calls)[i].result) return list.fail(fmt::format("[{}] has no 'result', and is not the last", i));
    }
}

// Models like to put JSON into a block of Markdown.
std::string_view without_fence(std::string_view text) {
    constexpr std::string_view kFence = "```";
    if (!text.starts_with(kFence) || !text.ends_with(kFence)) return text;
    const size_t line = text.find('\n');
    return line == text.npos ? text : stripped(text.substr(line, text.size() - kFence.size() - line));
}

std::optional<std::string> json_fault(const json::value& expected, std::string_view content) {
    const auto got = text::parse_json(without_fence(stripped(content)));
    if (!got) return got.error().message;
    return json_difference(expected, *got);
}

std::optional<std::string> number_fault(double expected, double tolerance, std::string_view content) {
    const auto got = last_number(content);
    if (!got) return fmt::format("there is no number; expected {}", expected);
    if (std::abs(*got - expected) <= tolerance) return std::nullopt;
    return fmt::format("the last number is {}, expected {}", *got, expected);
}

bool matches(const Regex& regex, std::string_view text) {
    bool found = false;
    regex.pattern->for_each_match(text, [&](text::Match) { found = true; });
    return found;
}

}  // namespace

bool read_check(const text::JsonView& view, const json::object& given, Check& check) {
    view.for_each_member([&](std::string_view key, const text::JsonView& member) {
        if (key == "exact") {
            check.exact = read_texts(member);
        } else if (key == "contains") {
            check.contains = read_texts(member);
        } else if (key == "regex") {
            check.regex = read_regex(member);
        } else if (key == "json") {
            check.json = given.at(key);
        } else if (key == "number") {
            check.number = member.number();
        } else if (key == "tolerance") {
            check.tolerance = member.number();
            if (!(check.tolerance >= 0)) member.fail("must not be negative");
        } else if (key != "tool_call" && key != "calls") {
            member.fail(
                "is no check; there are exact, contains, regex, json, number (with tolerance), tool_call, calls");
        }
    });
    read_calls(view, given, check);
    if (given.contains("tolerance") && !check.number) view["tolerance"].fail("goes with 'number', which is not there");
    return !given.empty();
}

std::optional<std::string> text_fault(const Check& check, const Answer& answer) {
    const std::string_view text = stripped(answer.content);
    const auto is_text = [&](const std::string& wanted) { return stripped(wanted) == text; };
    if (!check.exact.empty() && std::ranges::none_of(check.exact, is_text))
        return fmt::format("expected exactly {:?}", fmt::join(check.exact, " or "));
    for (const std::string& part : check.contains) {
        if (text.find(part) == text.npos) return fmt::format("{:?} is not in the answer", part);
    }
    for (const Regex& regex : check.regex) {
        if (!matches(regex, text)) return fmt::format("/{}/ matches nothing", regex.source);
    }
    if (check.json) {
        if (auto fault = json_fault(*check.json, text)) return fault;
    }
    if (check.number) return number_fault(*check.number, check.tolerance, text);
    return std::nullopt;
}

std::optional<std::string> call_fault(const ExpectedCall& expected, const Call& call) {
    if (call.name != expected.name) return fmt::format("called {}, expected {}", call.name, expected.name);
    const auto arguments = text::parse_json(call.arguments);
    if (!arguments) return fmt::format("the arguments of {} are {}", call.name, arguments.error().message);
    if (auto fault = json_difference(expected.arguments, *arguments))
        return fmt::format("arguments of {}: {}", call.name, *fault);
    return std::nullopt;
}

std::optional<double> last_number(std::string_view text) {
    // A sign counts where no number or word stands before it: 12-5 ends with 5, x = -5 with -5.
    static const auto kNumber = text::make_regex(
        R"((?<![A-Za-z0-9.])(?:[-+\x{2212}])?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)",
        text::RegexDialect::kRust);
    CHECK(kNumber.ok(), "{}", kNumber.error().message);
    std::string last;
    (*kNumber)->for_each_match(text,
                               [&](text::Match at) { last = std::string(text.substr(at.begin, at.end - at.begin)); });
    if (constexpr std::string_view kMinus = "\xE2\x88\x92"; last.starts_with(kMinus))
        last.replace(0, kMinus.size(), "-");
    if (last.starts_with('+')) last.erase(0, 1);
    std::erase(last, ',');
    double number = 0;
    const auto [end, failure] = std::from_chars(last.data(), last.data() + last.size(), number);
    return failure == std::errc() && !last.empty() ? std::optional(number) : std::nullopt;
}

}  // namespace hone::cli
