// str() and repr() of values, letter for letter as Python writes them (objects whose repr holds an address leave it
// out), and numbers to and from text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/chat/rendering.h"

namespace hone::text::chat {

// Appends str(value); false if that failed or became too long.
bool append_str(Rendering& rendering, std::string& out, const Value& value);
bool append_repr(Rendering& rendering, std::string& out, const Value& value);

// str(value); a string is returned as it is, without copying.
std::string_view to_str(Rendering& rendering, const Value& value);
std::string to_repr(Rendering& rendering, const Value& value);

void append_quoted(std::string& out, std::string_view text);  // repr of a string
std::string python_quoted(std::string_view text);

std::string integer_text(Integer number);
std::string real_text(double number);  // the shortest that reads back, 1e+16, 5e-324, inf, nan

// int(text, base) and float(text) of Python, blanks around and underscores inside allowed; nothing if it is not a
// number.
struct ParsedInteger {
    Integer number = 0;
    bool is_too_large = false;
};
std::optional<ParsedInteger> parse_integer(std::string_view text, int base = 10);
std::optional<double> parse_real(std::string_view text);

}  // namespace hone::text::chat
