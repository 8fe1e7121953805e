// Strings as Python sees them: sequences of code points, here stored as valid UTF-8 (checked where text enters:
// template source and context). Case and character classes are ICU's. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace hone::text::chat {

// Byte position of the code point with this index; the size of the text if there are fewer.
size_t byte_offset(std::string_view text, size_t code_point_index);

// str.isspace and the blanks that strip() and split() know; also the \s of Jinja's lexer.
bool is_space(char32_t code_point);
// What repr() shows as itself.
bool is_printable(char32_t code_point);
// \w of Python's regular expressions.
bool is_word(char32_t code_point);
// str.isidentifier of a whole text.
bool is_identifier(std::string_view text);

std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
inline std::string_view strip(std::string_view text) {
    return strip_right(strip_left(text));
}

// Full case mappings without a locale: "straße" gives "STRASSE", a final sigma is final.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string capitalize(std::string_view text);  // first code point in title case, the others lower
std::string to_title(std::string_view text);    // str.title: every run of letters
std::string swap_case(std::string_view text);
std::string fold_case(std::string_view text);

}  // namespace hone::text::chat
