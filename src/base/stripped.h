// Text without the blanks around it, and what counts as blank: the caller's format says. Pure functions on bytes; any thread.
#pragma once

#include <algorithm>
#include <string_view>

namespace hone {

inline constexpr std::string_view kBlanks = " \t\r\n";

constexpr std::string_view stripped(std::string_view text, std::string_view blanks = kBlanks) {
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

}  // namespace hone
