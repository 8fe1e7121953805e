// Where the golden data of the text layer is, and how its files are read. Failures abort the test program: without the
// data there is nothing to test.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include "base/check.h"
#include "base/mapped_file.h"
#include "tests/golden_folder.h"

namespace hone::text {

inline std::filesystem::path golden_text() {
    return golden_folder() / "text";
}

inline boost::json::value read_json(const std::filesystem::path& file) {
    const auto text = read_text_file(file);
    CHECK(text.ok(), "{}", text.ok() ? "" : text.error().message);
    return boost::json::parse(*text);
}

inline std::vector<boost::json::value> read_json_lines(const std::filesystem::path& file) {
    const auto text = read_text_file(file);
    CHECK(text.ok(), "{}", text.ok() ? "" : text.error().message);
    std::vector<boost::json::value> rows;
    std::string_view rest = *text;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        if (!line.empty()) rows.push_back(boost::json::parse(line));
    }
    return rows;
}

inline std::vector<std::string> golden_folders(const char* part) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(golden_text() / part)) {
        if (entry.is_directory()) names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace hone::text
