#include "text/tools/declared_tools.h"

#include <algorithm>

namespace hone::text {

const DeclaredTool* find_tool(const DeclaredTools& tools, std::string_view name) {
    const auto found = std::ranges::find(tools, name, &DeclaredTool::name);
    return found == tools.end() ? nullptr : &*found;
}

const boost::json::value* parameter_schema(const DeclaredTools& tools, std::string_view function,
                                           std::string_view parameter) {
    const DeclaredTool* tool = find_tool(tools, function);
    const boost::json::value* properties = tool ? tool->parameters.if_contains("properties") : nullptr;
    return properties && properties->is_object() ? properties->get_object().if_contains(parameter) : nullptr;
}

}  // namespace hone::text
