// A text as one word of a POSIX shell's command line. A pure function.
#pragma once

#include <string>
#include <string_view>

namespace hone::cli {

// In single quotes, as sh, bash and zsh read them; fish has other escapes.
inline std::string shell_quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

}  // namespace hone::cli
