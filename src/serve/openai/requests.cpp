#include "serve/openai/requests.h"

#include <algorithm>

#include "serve/openai/field_reader.h"

namespace hone::serve {

ApiError unknown_model(std::string_view name) {
    return {.status = 404,
            .message = fmt::format("the model '{}' does not exist; /v1/models lists what is served", quotable(name)),
            .param = "model",
            .code = "model_not_found"};
}

ApiError empty_prompt(std::string_view field) {
    return {.message = fmt::format("'{}': has no tokens", field), .param = std::string(field), .code = "invalid_value"};
}

std::optional<ApiError> choose_model(const boost::json::object& body, const RequestRules& rules, AdapterPtr& adapter) {
    FieldReader fields(body);
    const auto name = fields.text("model");
    if (!fields.ok()) return fields.failure();
    if (!name || *name == rules.model) return std::nullopt;
    if (rules.adapters) adapter = rules.adapters->find(*name);
    return adapter ? std::nullopt : std::optional(unknown_model(*name));
}

std::optional<ApiError> fit_context(GenerationRequest& request, size_t prompt_tokens, const RequestRules& rules,
                                    std::string_view prompt_field) {
    const auto refuse = [](std::string message, std::string_view param, std::string code) {
        return ApiError{.message = std::move(message), .param = std::string(param), .code = std::move(code)};
    };
    if (prompt_tokens == 0) return empty_prompt(prompt_field);
    const int64_t left = rules.max_context - static_cast<int64_t>(prompt_tokens);
    // A prompt that fills the context can be scored, but not continued.
    if (left < 0 || (left == 0 && request.max_tokens != 0))
        return refuse(
            fmt::format("this model's context is {} tokens and the prompt has {}", rules.max_context, prompt_tokens),
            prompt_field, "context_length_exceeded");
    if (request.max_tokens && *request.max_tokens > left)
        return refuse(
            fmt::format("this model's context is {} tokens; the prompt has {} and {} were asked for (at most {})",
                        rules.max_context, prompt_tokens, *request.max_tokens, left),
            "max_tokens", "context_length_exceeded");
    const int32_t wished =
        std::min(request.default_max_tokens, rules.defaults.max_new_tokens.value_or(rules.max_context));
    request.sampling.max_tokens = request.max_tokens.value_or(static_cast<int32_t>(std::min<int64_t>(left, wished)));
    if (request.sampling.min_tokens > request.sampling.max_tokens)
        return refuse(fmt::format("'min_tokens': is {}, more than the {} tokens that may be generated",
                                  request.sampling.min_tokens, request.sampling.max_tokens),
                      "min_tokens", "invalid_value");
    return std::nullopt;
}

// Prompts are told in one piece even in a stream; what is generated is gathered only without one. Token ids alone weigh
// an eighth of a log-probability.
std::optional<ApiError> check_answer_size(const GenerationRequest& request, size_t prompts, size_t prompt_tokens,
                                          const RequestRules& rules) {
    const engine::SamplingParams& sampling = request.sampling;
    const auto given = static_cast<int64_t>(prompt_tokens);
    const int64_t generated = request.stream ? 0 : static_cast<int64_t>(prompts) * sampling.max_tokens;
    const bool told_twice = request.echo && request.logprobs && request.prompt_logprobs;
    const int64_t of_prompts = given * (sampling.prompt_logprobs + 1) * (told_twice ? 2 : 1);
    const int64_t of_tokens = request.logprobs ? generated * (sampling.top_logprobs + 1) : 0;
    const int64_t of_ids = request.return_token_ids ? (given + generated) / 8 : 0;
    const int64_t count = (of_prompts + of_tokens + of_ids) * request.choices;
    if (count <= rules.max_answer_logprobs) return std::nullopt;
    std::string field = "prompt";
    if (of_ids > of_prompts + of_tokens) {
        field = "return_token_ids";
    } else if (request.prompt_logprobs && of_prompts >= of_tokens) {
        field = "prompt_logprobs";
    } else if (request.logprobs) {
        field = "logprobs";
    }
    return ApiError{.message = fmt::format("'{}': the answer could have {} log-probabilities (tokens, times the "
                                           "alternatives of each, times 'n'); at most {} fit",
                                           field, count, rules.max_answer_logprobs),
                    .param = field,
                    .code = "invalid_value"};
}

}  // namespace hone::serve
