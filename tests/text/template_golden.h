// Golden template cases: where they are, and reading them.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "tests/golden_folder.h"
#include "text/chat/chat_template.h"

namespace hone::text::golden {

inline std::filesystem::path folder() {
    return golden_folder() / "text/templates";
}

inline std::string read_text(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

inline std::vector<boost::json::object> read_lines(const std::filesystem::path& path) {
    std::vector<boost::json::object> rows;
    std::ifstream file(path, std::ios::binary);
    for (std::string line; std::getline(file, line);) rows.push_back(boost::json::parse(line).as_object());
    return rows;
}

inline std::string text_of(const boost::json::object& row, std::string_view key) {
    return std::string(row.at(key).as_string());
}

// "2026-03-09T08:05:03" of the row's "clock", if it has one.
inline RenderOptions options_of(const boost::json::object& row) {
    RenderOptions options;
    if (!row.contains("clock")) return options;
    int year, month, day, hour, minute, second;
    std::sscanf(text_of(row, "clock").c_str(), "%d-%d-%dT%d:%d:%d", &year, &month, &day, &hour, &minute, &second);
    std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
    options.clock = std::chrono::local_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
                    std::chrono::seconds(second);
    return options;
}

inline Result<Rendered> render(const std::string& source, const std::string& name, const boost::json::object& context,
                               const RenderOptions& options) {
    Result<ChatTemplate> parsed = ChatTemplate::parse(source, name);
    if (!parsed) return parsed.error();
    return parsed->render(context, options);
}

// Checks an outcome against the "expected" text or the "error" of a row. Where the row says "class", the message is
// Python's own.
inline void expect_outcome(const boost::json::object& row, const std::string& name, const Result<Rendered>& outcome) {
    if (!row.contains("error")) {
        ASSERT_TRUE(outcome.ok()) << outcome.error().message;
        EXPECT_EQ(outcome->text, text_of(row, "expected"));
        return;
    }
    const boost::json::object& error = row.at("error").as_object();
    ASSERT_FALSE(outcome.ok()) << "rendered: " << outcome->text;
    std::string compare = text_of(error, "compare"), got = outcome.error().message;
    EXPECT_EQ(got.rfind(name + ", line ", 0), 0u) << got;
    if (compare == "fails") return;
    std::string wanted = ": " + text_of(error, "class") + ": ";
    if (compare == "exact") wanted += text_of(error, "message");
    if (error.contains("lineno")) wanted = ", line " + std::to_string(error.at("lineno").to_number<int>()) + wanted;
    EXPECT_NE(got.find(wanted), got.npos) << "got:    " << got << "\nwanted: " << wanted;
    if (compare == "exact") {
        EXPECT_TRUE(got.ends_with(wanted)) << "got:    " << got << "\nwanted: " << wanted;
    }
}

}  // namespace hone::text::golden
