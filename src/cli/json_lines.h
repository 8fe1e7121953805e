// Files of JSON, a value a line; blank lines are none.
#pragma once

#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/result.h"

namespace hone::cli {

// Calls `take` for every line that is not blank, from 1 on, up to its first error, which then names file and line. How
// many there were.
Result<size_t> for_each_json_line(const std::string& path,
                                  FunctionRef<Status(std::string_view line, size_t number)> take);

}  // namespace hone::cli
