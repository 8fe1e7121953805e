// Environment variables, read where the program starts and passed on from there.
#pragma once

#include <optional>
#include <string>

namespace hone {

// The variable's value; nothing if it is not set or empty.
std::optional<std::string> env(const char* name);

}  // namespace hone
