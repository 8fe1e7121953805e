#include "serve/openai/tool_fields.h"

#include <algorithm>

namespace hone::serve {

namespace json = boost::json;

namespace {

constexpr size_t kMaxTools = 1024;
constexpr size_t kMaxNameBytes = 128;
constexpr std::string_view kNameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:/";

constexpr const char* kFunctionsOnly = "only tools of type 'function' are supported";

// Names are written into tags and ids by some models, so not everything can be one.
bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxNameBytes && name.find_first_not_of(kNameBytes) == name.npos;
}

std::optional<ApiError> read_tool(const json::object& given, const std::string& where, text::DeclaredTools& tools) {
    FieldReader tool(given, where + ".");
    if (tool.text("type").value_or("function") != "function")
        tool.refuse("type", kFunctionsOnly, "unsupported_parameter");
    const json::object* function = tool.object("function");
    if (!function) tool.refuse("function", "is missing", "missing_required_parameter");
    if (!tool.ok()) return tool.failure();
    FieldReader fields(*function, where + ".function.");
    const auto name = fields.text("name");
    if (!fields.find("name")) fields.refuse("name", "is missing", "missing_required_parameter");
    if (name && !is_name(*name))
        fields.refuse("name",
                      fmt::format("must have 1 to {} characters of A-Z, a-z, 0-9, _, -, ., : and /", kMaxNameBytes));
    (void)fields.text("description");
    (void)fields.flag("strict");
    const json::object* parameters = fields.object("parameters");
    if (fields.ok() && text::find_tool(tools, *name)) fields.refuse("name", "is the name of an earlier tool too");
    if (fields.ok()) tools.push_back({.name = *name, .parameters = parameters ? *parameters : json::object()});
    return fields.failure();
}

void read_tools(FieldReader& fields, text::DeclaredTools& tools) {
    const json::array* list = fields.array("tools");
    if (!list) return;
    if (list->size() > kMaxTools)
        return fields.refuse("tools", fmt::format("has {} tools; at most {}", list->size(), kMaxTools));
    for (size_t i = 0; i < list->size(); ++i) {
        const std::string where = fmt::format("tools[{}]", i);
        if (!(*list)[i].is_object()) return fields.refuse_type(where, "an object", (*list)[i]);
        if (const auto problem = read_tool((*list)[i].get_object(), where, tools)) return fields.adopt(*problem);
    }
}

void read_named_choice(FieldReader& fields, const json::object& choice, ToolUse& use) {
    FieldReader nested(choice, "tool_choice.");
    if (nested.text("type").value_or("") != "function") nested.refuse("type", "must be 'function'");
    const json::object* function = nested.object("function");
    if (!function) nested.refuse("function", "is missing", "missing_required_parameter");
    if (!nested.ok()) return fields.adopt(*nested.failure());
    FieldReader name(*function, "tool_choice.function.");
    use.choice = ToolChoice::named;
    use.named = name.text("name").value_or("");
    if (!use.tools.empty() && !text::find_tool(use.tools, use.named)) name.refuse("name", "is not the name of a tool");
    if (!name.ok()) fields.adopt(*name.failure());
}

void read_choice(FieldReader& fields, ToolUse& use) {
    const json::value* choice = fields.find("tool_choice");
    if (!choice) return;
    if (choice->is_object()) {
        read_named_choice(fields, choice->get_object(), use);
    } else if (!choice->is_string()) {
        fields.refuse_type("tool_choice", "a string or an object", *choice);
    } else if (choice->get_string() == "none") {
        use.choice = ToolChoice::none;
    } else if (choice->get_string() == "required") {
        use.choice = ToolChoice::required;
    } else if (choice->get_string() != "auto") {
        fields.refuse("tool_choice", "must be 'none', 'auto', 'required' or the name of a function in an object");
    }
    const bool needs_tools = use.choice == ToolChoice::required || use.choice == ToolChoice::named;
    if (needs_tools && use.tools.empty()) fields.refuse("tool_choice", "needs 'tools' to choose from");
}

}  // namespace

ToolUse read_tool_use(FieldReader& fields) {
    ToolUse use;
    read_tools(fields, use.tools);
    read_choice(fields, use);
    use.parallel = fields.flag("parallel_tool_calls").value_or(true);
    return use;
}

}  // namespace hone::serve
