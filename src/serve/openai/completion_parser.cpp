// The request of /v1/completions.
#include <algorithm>
#include <limits>

#include "serve/openai/generation_fields.h"

namespace hone::serve {

namespace json = boost::json;

namespace {

constexpr int32_t kDefaultMaxTokens = 16;  // OpenAI's

// A list of token ids at `field`; empty after a refusal.
PromptTokens token_prompt(FieldReader& fields, const std::string& field, const json::array& list, int32_t vocabulary) {
    PromptTokens tokens;
    if (list.empty()) fields.refuse(field, "is empty");
    tokens.reserve(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
        const auto id = as_integer(list[i]);
        if (!id) {
            fields.refuse_type(fmt::format("{}[{}]", field, i), "a token id", list[i]);
            return {};
        }
        if (*id < 0 || *id >= vocabulary) {
            fields.refuse(fmt::format("{}[{}]", field, i),
                          fmt::format("is {}; token ids are from 0 to {}", *id, vocabulary - 1));
            return {};
        }
        tokens.push_back(static_cast<int32_t>(*id));
    }
    return tokens;
}

void read_prompts(FieldReader& fields, const RequestRules& rules, CompletionRequest& request) {
    const json::value* value = fields.find("prompt");
    if (!value) return fields.refuse("prompt", "is missing", "missing_required_parameter");
    if (value->is_string()) {
        request.prompts.emplace_back(PromptText(value->get_string()));
        return;
    }
    constexpr std::string_view kExpected = "a string, a list of token ids, or a list of either";
    if (!value->is_array()) return fields.refuse_type("prompt", kExpected, *value);
    const json::array& list = value->get_array();
    if (list.empty()) return fields.refuse("prompt", "is empty");
    if (list[0].is_number()) {
        request.prompts.emplace_back(token_prompt(fields, "prompt", list, rules.vocabulary));
        return;
    }
    if (list.size() > static_cast<size_t>(rules.max_prompts))
        return fields.refuse("prompt", fmt::format("has {} prompts; at most {}", list.size(), rules.max_prompts));
    for (size_t i = 0; i < list.size() && fields.ok(); ++i) {
        const std::string field = fmt::format("prompt[{}]", i);
        if (list[i].is_string()) {
            request.prompts.emplace_back(PromptText(list[i].get_string()));
        } else if (list[i].is_array()) {
            request.prompts.emplace_back(token_prompt(fields, field, list[i].get_array(), rules.vocabulary));
        } else {
            fields.refuse_type(field, "a string or a list of token ids", list[i]);
        }
    }
}

}  // namespace

std::optional<ApiError> parse_completion_request(const json::object& body, const RequestRules& rules,
                                                 CompletionRequest& request) {
    if (auto problem = choose_model(body, rules, request.adapter)) return problem;
    FieldReader fields(body);
    read_prompts(fields, rules, request);
    read_generation_fields(fields, rules, request);
    request.echo = fields.flag("echo").value_or(false);
    request.add_special_tokens = fields.flag("add_special_tokens").value_or(true);
    engine::SamplingParams& sampling = request.sampling;
    if (const auto count = fields.integer("logprobs", 0, rules.max_logprobs)) {
        request.logprobs = true;
        sampling.top_logprobs = static_cast<int32_t>(*count);
        if (request.echo) sampling.prompt_logprobs = std::max(sampling.prompt_logprobs, sampling.top_logprobs);
    }
    const bool may_be_zero = request.echo || sampling.prompt_logprobs >= 0;
    request.default_max_tokens = kDefaultMaxTokens;
    if (const auto count = fields.integer("max_tokens", may_be_zero ? 0 : 1, kMaxInt))
        request.max_tokens = static_cast<int32_t>(*count);
    // The engine takes a request without output only for the sake of its prompt's log-probabilities.
    if (request.max_tokens == 0) sampling.prompt_logprobs = std::max(sampling.prompt_logprobs, 0);
    if (static_cast<int64_t>(request.prompts.size()) * request.choices > rules.max_sequences)
        fields.refuse("n",
                      fmt::format("times the number of prompts is {}; at most {}",
                                  request.prompts.size() * static_cast<size_t>(request.choices), rules.max_sequences));
    return fields.failure();
}

}  // namespace hone::serve
