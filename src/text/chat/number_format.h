// Padded text and numbers: the common half of '%05.2f' % x and '{:05.2f}'.format(x).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/chat/rendering.h"

namespace hone::text::chat {

struct FormatSpec {
    std::string_view fill = " ";
    char align = '\0';  // < > ^ =, or the type's own
    char sign = '-';    // - + or blank
    bool is_alternate = false;
    size_t width = 0;
    char grouping = '\0';  // , or _
    std::optional<size_t> precision = {};
    char type = '\0';
};

// Pads to the width, in code points. `prefix` (sign, 0x) stays in front of the filling if the alignment is '='.
std::string pad(Rendering& rendering, std::string_view prefix, std::string_view text, const FormatSpec& spec,
                char own_align);

// A number with the conversions d b o x X c (integers) and e E f F g G % (all).
std::string format_integer(Rendering& rendering, Integer number, const FormatSpec& spec);
std::string format_real(Rendering& rendering, double number, const FormatSpec& spec);

// format(value, spec): the text behind the colon of a replacement field.
std::string format_value(Rendering& rendering, const Value& value, std::string_view spec);

}  // namespace hone::text::chat
