#include "text/tools/call_grammar.h"

#include "text/grammar/json_schema.h"
#include "text/tools/json_calls.h"

namespace hone::text {

namespace json = boost::json;

Expression CallGrammar::markers(std::span<const std::string_view> texts) {
    std::vector<Expression> parts;
    for (const std::string_view text : texts) {
        const auto token = added_.find(text);
        parts.push_back(token == added_.end() ? builder_.literal(text) : builder_.token(token->second));
    }
    return builder_.sequence(std::move(parts));
}

Expression CallGrammar::text_up_to(std::string_view marker) {
    if (!has_token(marker)) return builder_.up_to(marker);
    const Expression character = builder_.characters(CodePoints::all());
    return builder_.sequence({builder_.repeat(character, 0, std::nullopt), this->marker(marker)});
}

const json::value& CallGrammar::parameters(const DeclaredTool& tool) {
    json::object parameters = tool.parameters;
    parameters.emplace("type", "object");
    return schemas_.emplace_back(std::move(parameters));
}

Expression CallGrammar::fail(const DeclaredTool& tool, const Error& failure) {
    if (faulty_tool_.empty()) faulty_tool_ = tool.name;
    builder_.fail(failure);
    return builder_.nothing();
}

Expression CallGrammar::arguments(const DeclaredTool& tool) {
    if (tool.parameters.empty()) return builder_.literal("{}");
    const auto compiled = add_json_schema(builder_, parameters(tool), {.whitespace = JsonWhitespace::kSpaced});
    return compiled.ok() ? *compiled : fail(tool, compiled.error());
}

Result<Grammar> CallGrammar::build(Expression root) {
    builder_.explain_empty(error("no value satisfies the parameters of any tool"));
    auto grammar = builder_.build(root);
    if (grammar.ok() || faulty_tool_.empty()) return grammar;
    return grammar.error().within(parameters_of(faulty_tool_));
}

Expression CallGrammar::json_call(std::string_view key) {
    return any_tool([&](const DeclaredTool& tool) {
        return sequence(
            {text(fmt::format(R"({{"name": {}, "{}": )", quote_json(tool.name), key)), arguments(tool), text("}")});
    });
}

Expression CallGrammar::calls(Expression call, std::string_view between) {
    if (!several_) return call;
    const Expression rule = builder_.as_rule("call", call);
    return sequence({rule, builder_.repeat(sequence({text(between), rule}), 0, std::nullopt)});
}

}  // namespace hone::text
