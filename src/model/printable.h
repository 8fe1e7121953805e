// Text from outside (names and values in files), fit for a message: control characters, with which a file could drive
// the reader's terminal, are written as escapes. Free functions, any thread.
#pragma once

#include <string>
#include <string_view>

namespace hone::model {

// Control characters (C0, DEL and C1, also as UTF-8) as "\x1b"; all else as it is.
std::string printable(std::string_view text);

// Printable and quoted; long ones cut, with their length.
std::string in_quotes(std::string_view name);

}  // namespace hone::model
