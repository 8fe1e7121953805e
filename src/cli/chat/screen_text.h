// What a model says, fit for a terminal, which obeys some characters. Free functions, any thread.
#pragma once

#include <string>
#include <string_view>

namespace hone::cli {

// Whether stdout is a terminal.
bool is_on_screen();

// Line breaks and tabs stand as they are. What else a terminal would obey is written out: <1B>.
std::string screen_text(std::string_view valid);

// What to print on stdout: screen_text() on a terminal, otherwise the text as it is.
std::string for_stdout(std::string_view valid);

}  // namespace hone::cli
