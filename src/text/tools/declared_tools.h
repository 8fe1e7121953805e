// The tools that a request declares, as far as reading calls needs them. Immutable; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace hone::text {

struct DeclaredTool {
    std::string name;
    boost::json::object parameters;  // JSON schema; empty: any object
};

using DeclaredTools = std::vector<DeclaredTool>;

// Null if there is none of that name.
const DeclaredTool* find_tool(const DeclaredTools& tools, std::string_view name);

// The schema of a parameter; null if it is not declared.
const boost::json::value* parameter_schema(const DeclaredTools& tools, std::string_view function,
                                           std::string_view parameter);

}  // namespace hone::text
