// Manual pages: one of the program, one of each verb and verb below it (hone.1, hone-bench.1, hone-bench-limits.1), as man(7)
// describes their format. Pure functions of the table.
#pragma once

#include <string>

#include "cli/help/command_table.h"

namespace hone::cli {

// "hone-bench-limits.1".
std::string page_name(const VerbEntry& verb);

// The page's source. `version` goes to its foot, which has no date: the same program gives the same bytes.
std::string manual_page(const VerbEntry& verb, const std::string& version);

}  // namespace hone::cli
