// Cutting and replacing text, shared by the methods of str and the filters. Pieces are views of the text.
#pragma once

#include <string_view>
#include <vector>

#include "text/chat/rendering.h"

namespace hone::text::chat {

// At most `most` cuts, counted from the left or the right. The pieces come in the order of the text.
std::vector<std::string_view> split_text(std::string_view text, std::string_view separator, size_t most,
                                         bool from_right);
// At runs of blanks, without empty pieces.
std::vector<std::string_view> split_blanks(std::string_view text, size_t most, bool from_right);
// At every line boundary that Python knows, \r\n counting as one.
std::vector<std::string_view> split_lines(std::string_view text, bool keeps_ends);

// str.replace; a negative `times` is no limit.
Value replace_text(Rendering& rendering, std::string_view text, std::string_view from, std::string_view to,
                   Integer times, bool is_markup);

// Without the code points of `characters` at the left, the right.
std::string_view strip_characters(std::string_view text, std::string_view characters, bool at_left, bool at_right);

}  // namespace hone::text::chat
