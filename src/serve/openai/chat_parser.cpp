// The request of /v1/chat/completions, and of a chat prompt alone.
#include <limits>

#include "serve/openai/generation_fields.h"
#include "serve/openai/tool_fields.h"
#include "text/chat/chat_messages.h"

namespace hone::serve {

namespace json = boost::json;

namespace {

constexpr size_t kMaxMessages = 1 << 16;

std::string_view code_of(text::MessageProblem::Kind kind) {
    using Kind = text::MessageProblem::Kind;
    if (kind == Kind::missing) return "missing_required_parameter";
    if (kind == Kind::wrong_type) return "invalid_type";
    return kind == Kind::unsupported ? "unsupported_content" : "invalid_value";
}

std::optional<ApiError> read_message(const json::value& given, size_t index, json::array& messages) {
    json::value message = given;
    if (const auto problem = text::normalize_message(message)) {
        const std::string field =
            fmt::format("messages[{}]{}{}", index, problem->field.empty() ? "" : ".", problem->field);
        return ApiError{.message = fmt::format("'{}': {}", field, problem->reason),
                        .param = field,
                        .code = std::string(code_of(problem->kind))};
    }
    messages.push_back(std::move(message));
    return std::nullopt;
}

void read_messages(FieldReader& fields, json::array& messages) {
    const json::array* given = fields.array("messages");
    if (!fields.find("messages")) return fields.refuse("messages", "is missing", "missing_required_parameter");
    if (!given) return;
    if (given->empty()) return fields.refuse("messages", "is empty");
    if (given->size() > kMaxMessages)
        return fields.refuse("messages", fmt::format("has {} messages; at most {}", given->size(), kMaxMessages));
    for (size_t i = 0; i < given->size(); ++i) {
        if (const auto problem = read_message((*given)[i], i, messages)) return fields.adopt(*problem);
    }
}

// Variables win over what the server gives a template, so those that are the request's own fields are not for them.
void read_template_variables(FieldReader& fields, text::ChatRequest& prompt) {
    const json::object* variables = fields.object("chat_template_kwargs");
    if (!variables) return;
    for (const char* reserved :
         {"messages", "tools", "documents", "add_generation_prompt", "continue_final_message", "chat_template"})
        if (variables->contains(reserved))
            fields.refuse(fmt::format("chat_template_kwargs.{}", reserved),
                          "is a field of the request itself and cannot be set here");
    prompt.variables = *variables;
}

// Gives the tools of the prompt too. Whether the answer may use them or not, the template gets them.
ToolUse read_chat_prompt(FieldReader& fields, text::ChatRequest& prompt) {
    ToolUse use = read_tool_use(fields);
    if (!use.tools.empty() && fields.ok()) prompt.tools = *fields.array("tools");
    read_messages(fields, prompt.messages);
    if (const json::array* documents = fields.array("documents")) prompt.documents = *documents;
    read_template_variables(fields, prompt);
    if (const auto effort = fields.text("reasoning_effort")) prompt.variables.emplace("reasoning_effort", *effort);
    const bool continues = fields.flag("continue_final_message").value_or(false);
    if (continues) prompt.continued_field = "content";
    prompt.add_generation_prompt = fields.flag("add_generation_prompt").value_or(!continues);
    if (continues && prompt.add_generation_prompt)
        fields.refuse("continue_final_message", "cannot be combined with 'add_generation_prompt'");
    return use;
}

void refuse_completion_fields(FieldReader& fields) {
    if (fields.flag("echo").value_or(false))
        fields.refuse("echo", "is for /v1/completions only", "unsupported_parameter");
    if (fields.flag("add_special_tokens").value_or(false))
        fields.refuse("add_special_tokens", "is not supported: the chat template writes them", "unsupported_parameter");
}

// Whether the output has to be calls. Of a function that is named there is one, and no other is to be read.
ForcedCalls read_forced_calls(FieldReader& fields, const RequestRules& rules, ToolUse& use) {
    if (use.choice != ToolChoice::required && use.choice != ToolChoice::named) return ForcedCalls::none;
    if (!rules.dialect || !rules.dialect->can_call()) {
        fields.refuse(
            "tool_choice",
            "this server knows no way in which the model writes calls, so it supports 'none' and 'auto' only; "
            "hone serve --tool-parser NAME tells it one",
            "unsupported_parameter");
    }
    if (use.choice == ToolChoice::required) return ForcedCalls::any;
    std::erase_if(use.tools, [&](const text::DeclaredTool& tool) { return tool.name != use.named; });
    use.parallel = false;
    return ForcedCalls::named;
}

// How the answer is read; whether the prompt opens the reasoning is known when it is rendered.
void read_reading(FieldReader& fields, const RequestRules& rules, ToolUse use, OutputReading& reading) {
    reading.tells_reasoning = fields.flag("include_reasoning").value_or(true);
    reading.forced = read_forced_calls(fields, rules, use);
    const bool reads_calls = !use.tools.empty() && use.choice != ToolChoice::none;
    if (!rules.dialect || (!reads_calls && !rules.dialect->structures_every_output())) return;
    reading.dialect = rules.dialect;
    reading.one_call = !use.parallel;
    if (reads_calls) reading.tools = std::make_shared<const text::DeclaredTools>(std::move(use.tools));
}

// What response_format says is about content, which an answer of calls has none of; the other forms are of all of it.
void check_form(FieldReader& fields, const OutputReading& reading, std::optional<AnswerForm>& form) {
    if (reading.forced == ForcedCalls::none || !form) return;
    if (!form->field.starts_with("response_format"))
        fields.refuse(form->field, "cannot be combined with a 'tool_choice' that demands calls");
    form.reset();
}

}  // namespace

std::optional<ApiError> parse_chat_prompt(const json::object& body, text::ChatRequest& prompt) {
    FieldReader fields(body);
    (void)read_chat_prompt(fields, prompt);
    return fields.failure();
}

std::optional<ApiError> parse_chat_request(const json::object& body, const RequestRules& rules,
                                           ChatCompletionRequest& request) {
    if (auto problem = choose_model(body, rules, request.adapter)) return problem;
    FieldReader fields(body);
    read_reading(fields, rules, read_chat_prompt(fields, request.prompt), request.reading);
    read_generation_fields(fields, rules, request);
    refuse_completion_fields(fields);
    check_form(fields, request.reading, request.form);
    request.logprobs = fields.flag("logprobs").value_or(false);
    const auto top = fields.integer("top_logprobs", 0, rules.max_logprobs);
    if (top && !request.logprobs) fields.refuse("top_logprobs", "is only allowed with 'logprobs': true");
    if (request.logprobs) request.sampling.top_logprobs = static_cast<int32_t>(top.value_or(0));
    auto limit = fields.integer("max_completion_tokens", 1, kMaxInt);
    const auto older_name = fields.integer("max_tokens", 1, kMaxInt);
    if (!limit) limit = older_name;
    if (limit) request.max_tokens = static_cast<int32_t>(*limit);
    return fields.failure();
}

}  // namespace hone::serve
