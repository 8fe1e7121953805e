// Scripts that complete the command line in a shell: verbs, flags and the words that a flag takes; where a path may stand,
// files. Pure functions of the table.
#pragma once

#include <string>

#include "cli/help/command_table.h"

namespace hone::cli {

inline constexpr const char* kShells[] = {"bash", "zsh", "fish"};

// For one of kShells.
std::string completion_script(const VerbEntry& program, std::string_view shell);

}  // namespace hone::cli
