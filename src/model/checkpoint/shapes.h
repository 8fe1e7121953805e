// The configs of known models by name, for benchmarks with random weights (`hone bench --shape NAME`), and tiny ones
// for tests. Facts as in the vendors' published config.json. Free functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"

namespace hone::model {

std::vector<std::string> shape_names();

// The shape's config.json; the error lists the names.
Result<boost::json::object> shape_config(std::string_view name);

}  // namespace hone::model
