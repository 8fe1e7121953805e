// The model that comes with the program: `sprout`. Where its file and its evaluation suites are. Reads the environment
// and the file system; any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/verbs.h"

namespace hone::cli {

// What it is called, on the command line and by clients.
inline constexpr const char* kDefaultModel = "sprout";

// Its file: what the environment's HONE_SPROUT names, else ../share/hone/sprout.hone beside the program (an
// installation), else models/sprout/sprout.hone of the sources that a build folder belongs to. The error says where it
// was looked for, and what to do.
Result<std::filesystem::path> find_default_model();
// The folder of its suites; nothing if there is none.
std::optional<std::filesystem::path> find_default_suites();

// Of an argument MODEL: the word "sprout" becomes the file's path.
CLI::Validator default_model_by_name();

}  // namespace hone::cli
