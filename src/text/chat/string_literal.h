// Escapes in the string literals of templates: Python's, with \N{NAME}.
#pragma once

#include <string>
#include <string_view>

namespace hone::text::chat {

// The text between the quotes with its escapes resolved, or false and Python's words for what is wrong.
bool unescape_string(std::string_view inside, std::string& out, std::string& problem);

}  // namespace hone::text::chat
