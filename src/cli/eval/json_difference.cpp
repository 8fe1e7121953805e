#include "cli/eval/json_difference.h"

#include <boost/json/serialize.hpp>

#include "base/check.h"
#include "text/chat/chat_template.h"

namespace hone::cli {

namespace json = boost::json;

namespace {

// Whole numbers exactly, others as the nearest double.
bool are_equal_numbers(const json::value& a, const json::value& b) {
    if (a.is_double() || b.is_double()) return a.to_number<double>() == b.to_number<double>();
    if (a.is_uint64() || b.is_uint64()) {
        if (!a.is_uint64()) return a.get_int64() >= 0 && static_cast<uint64_t>(a.get_int64()) == b.get_uint64();
        if (!b.is_uint64()) return b.get_int64() >= 0 && static_cast<uint64_t>(b.get_int64()) == a.get_uint64();
        return a.get_uint64() == b.get_uint64();
    }
    return a.get_int64() == b.get_int64();
}

std::string differs(const std::string& path, const json::value& expected, const json::value& got) {
    return fmt::format("{}: expected {}, got {}", path.empty() ? "the value" : path, json_text(expected),
                       json_text(got));
}

std::optional<std::string> difference_at(const std::string& path, const json::value& expected, const json::value& got);

std::optional<std::string> object_difference(const std::string& path, const json::object& expected,
                                             const json::object& got) {
    for (const auto& member : expected) {
        const std::string key(member.key());
        const json::value* other = got.if_contains(key);
        if (!other) return fmt::format("{}.{} is missing", path, key);
        if (auto found = difference_at(fmt::format("{}.{}", path, key), member.value(), *other)) return found;
    }
    for (const auto& member : got) {
        if (!expected.contains(member.key()))
            return fmt::format("{}.{} is not expected", path, std::string_view(member.key()));
    }
    return std::nullopt;
}

std::optional<std::string> array_difference(const std::string& path, const json::array& expected,
                                            const json::array& got) {
    for (size_t i = 0; i < std::min(expected.size(), got.size()); i++) {
        if (auto found = difference_at(fmt::format("{}[{}]", path, i), expected[i], got[i])) return found;
    }
    if (expected.size() == got.size()) return std::nullopt;
    return fmt::format("{}: expected {} elements, got {}", path.empty() ? "the list" : path, expected.size(),
                       got.size());
}

std::optional<std::string> difference_at(const std::string& path, const json::value& expected, const json::value& got) {
    if (expected.is_object() && got.is_object())
        return object_difference(path, expected.get_object(), got.get_object());
    if (expected.is_array() && got.is_array()) return array_difference(path, expected.get_array(), got.get_array());
    const bool are_equal = expected.is_number() && got.is_number() ? are_equal_numbers(expected, got) : expected == got;
    return are_equal ? std::nullopt : std::optional(differs(path, expected, got));
}

}  // namespace

std::optional<std::string> json_difference(const json::value& expected, const json::value& got) {
    return difference_at("", expected, got);
}

std::string json_text(const json::value& value) {
    static const auto kWriter = text::ChatTemplate::parse("{{ value | tojson }}", "a JSON value");
    CHECK(kWriter.ok(), "{}", kWriter.error().message);
    const auto written = kWriter->render({{"value", value}});
    return written ? written->text : json::serialize(value);  // what is too large for a template
}

}  // namespace hone::cli
