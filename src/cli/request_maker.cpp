#include "cli/request_maker.h"

#include <algorithm>

#include "serve/openai/prompt_building.h"

namespace hone::cli {

namespace json = boost::json;

RequestMaker::RequestMaker(const OpenModel& open, const ModelText& text, int32_t max_context)
    : text_(text),
      adapter_(open.adapter),
      templates_(text.chat_templates ? *text.chat_templates : serve::default_chat_templates()),
      dialect_(text.chat_templates ? text::ModelDialect::find(*text.chat_templates, *text.tokenizer) : std::nullopt),
      rules_{.model = open.loaded.name,
             .defaults = text.defaults,
             .vocabulary = open.loaded.model->spec().vocabulary,
             .max_context = max_context,
             .dialect = dialect_ ? &*dialect_ : nullptr} {
    auto& ends = rules_.defaults.end_ids;
    const auto end = text.tokenizer->eos();
    if (end && std::ranges::find(ends, *end) == ends.end()) ends.push_back(*end);
}

static Status status_of(const std::optional<serve::ApiError>& problem) {
    return problem ? Status(Error{problem->message}) : ok();
}

Status RequestMaker::make_chat(const json::object& body, ReadyRequest& ready) const {
    serve::ChatCompletionRequest request;
    if (const auto problem = serve::parse_chat_request(body, rules_, request)) return status_of(problem);
    request.prompt.special_tokens = text_.special_tokens;
    if (const auto problem = serve::encode_chat(templates_, *text_.tokenizer, request.prompt, ready.prompt))
        return status_of(problem);
    if (request.reading.dialect)
        request.reading.in_reasoning = serve::opens_reasoning(*request.reading.dialect, request.prompt, ready.prompt);
    ready.request = std::move(static_cast<serve::GenerationRequest&>(request));
    return ok();
}

Status RequestMaker::make_completion(const json::object& body, ReadyRequest& ready) const {
    serve::CompletionRequest request;
    if (const auto problem = serve::parse_completion_request(body, rules_, request)) return status_of(problem);
    if (request.prompts.size() != 1) return error("'prompt': is {} prompts; give one", request.prompts.size());
    if (auto* tokens = std::get_if<serve::PromptTokens>(&request.prompts.front())) {
        ready.prompt = std::move(*tokens);
    } else {
        const auto& text = std::get<serve::PromptText>(request.prompts.front());
        if (const auto problem = serve::encode_prompt(*text_.tokenizer, text, request.add_special_tokens, ready.prompt))
            return status_of(problem);
    }
    ready.request = std::move(static_cast<serve::GenerationRequest&>(request));
    return ok();
}

Result<std::unique_ptr<ReadyRequest>> RequestMaker::make(const json::object& body) const {
    auto ready = std::make_unique<ReadyRequest>();
    const bool is_chat = body.contains("messages");
    const Status made = is_chat ? make_chat(body, *ready) : make_completion(body, *ready);
    if (!made) return made.error();
    auto& request = ready->request;
    if (request.form || request.reading.forced != serve::ForcedCalls::none)
        return error("a form of the answer ('{}') is not supported here",
                     request.form ? request.form->field : "tool_choice");
    const int64_t left = rules_.max_context - std::ssize(ready->prompt);
    if (left < 1)
        return error("the prompt has {} tokens and fills the context of {} tokens", ready->prompt.size(),
                     rules_.max_context);
    if (request.max_tokens) request.max_tokens = static_cast<int32_t>(std::min<int64_t>(*request.max_tokens, left));
    const char* const field = is_chat ? "messages" : "prompt";
    if (const auto problem = serve::fit_context(request, ready->prompt.size(), rules_, field))
        return status_of(problem).error();
    ready->answer.emplace(*text_.tokenizer, request, std::make_shared<const serve::StopPatterns>(request.stop),
                          ready->prompt, false);
    return ready;
}

Result<engine::SamplingParams> RequestMaker::sampling(const json::object& body) const {
    json::object whole = body;
    whole["messages"] = json::array{json::object{{"role", "user"}, {"content", ""}}};
    serve::ChatCompletionRequest request;
    if (const auto problem = serve::parse_chat_request(whole, rules_, request)) return status_of(problem).error();
    return request.sampling;
}

engine::Request RequestMaker::engine_request(const ReadyRequest& ready) const {
    return {.prompt = ready.prompt, .sampling = ready.request.sampling, .adapter = adapter_};
}

}  // namespace hone::cli
