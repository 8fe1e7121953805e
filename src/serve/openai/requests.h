// Requests for generation, checked and with defaults filled in: what remains to be known is the prompt's tokens.
// Parsing is a pure function of the body and the rules; any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/json/value.hpp>

#include "engine/decode/sampling_params.h"
#include "serve/adapters.h"
#include "serve/openai/answer_form.h"
#include "serve/openai/api_error.h"
#include "serve/openai/generation_defaults.h"
#include "text/chat/chat_request.h"
#include "text/tools/model_dialect.h"

namespace hone::serve {

// What a request is held to.
struct RequestRules {
    std::string model;
    const Adapters* adapters = nullptr;  // that it may name instead; null: none
    GenerationDefaults defaults;
    int32_t vocabulary = 0;   // token ids are below
    int32_t max_context = 0;  // prompt and generated tokens of one choice
    int32_t max_choices = 128;
    int32_t max_prompts = 1024;
    int32_t max_sequences = 1024;  // prompts times choices
    int32_t max_logprobs = 20;
    // Log-probabilities of one answer that is in memory as a whole; up to 600 bytes each until it is sent.
    int64_t max_answer_logprobs = 1'500'000;
    const text::ModelDialect* dialect = nullptr;  // null: the output is content
};

// Whether the output has to be calls (tool_choice).
enum class ForcedCalls { none, any, named };

// How the output of a chat is read; without a dialect it is content as it comes.
struct OutputReading {
    const text::ModelDialect* dialect = nullptr;
    bool in_reasoning = false;    // the prompt ended inside the reasoning
    bool tells_reasoning = true;  // else it is dropped
    bool one_call = false;        // the first whole call ends the output
    ForcedCalls forced = ForcedCalls::none;
    std::shared_ptr<const text::DeclaredTools> tools;  // that may be called; null: calls are content
};

// Common to completions and chat.
struct GenerationRequest {
    // stop_ids: the request's own and, unless ignored, the model's; seed if given; prompt_logprobs as the engine needs
    // them, for an echo too.
    engine::SamplingParams sampling;
    std::string cache_salt;                  // the prefix cache is shared between requests of the same one
    std::optional<int32_t> prompt_logprobs;  // to be told, as given
    std::optional<int32_t> max_tokens;       // as given
    int32_t default_max_tokens = std::numeric_limits<int32_t>::max();  // where not, as far as the context allows
    std::vector<int32_t> own_stop_ids;                                 // sorted; those that the request named
    std::vector<std::string> stop;                                     // strings that end the text
    int32_t choices = 1;
    int32_t priority = 0;  // smaller runs earlier (vLLM's); Turn says by how much
    bool stream = false, include_usage = false, continuous_usage = false;
    bool echo = false;      // the prompt comes first, with logprobs as far as those are told (completions only)
    bool logprobs = false;  // sampling.top_logprobs of each token are told
    bool skip_special_tokens = true;
    bool include_stop_in_output = false;
    bool return_token_ids = false;
    bool tokens_as_ids = false;  // token strings read "token_id:N"
    OutputReading reading;
    std::optional<AnswerForm> form;  // that the answer has to have
    // The version that the answer begins with, and ends with unless it follows the name to newer ones; of a running request
    // the newest that has computed a token. Null: the model's own weights.
    AdapterPtr adapter;
    bool follow_adapter = false;
};

using PromptText = std::string;
using PromptTokens = std::vector<int32_t>;
using CompletionPrompt = std::variant<PromptText, PromptTokens>;

struct CompletionRequest : GenerationRequest {
    std::vector<CompletionPrompt> prompts;  // at least one
    bool add_special_tokens = true;
};

struct ChatCompletionRequest : GenerationRequest {
    text::ChatRequest prompt;  // content is a string, arguments of tool calls are objects
};

// Each gives the first problem of the body, if it has one.
std::optional<ApiError> parse_completion_request(const boost::json::object& body, const RequestRules& rules,
                                                 CompletionRequest& request);
std::optional<ApiError> parse_chat_request(const boost::json::object& body, const RequestRules& rules,
                                           ChatCompletionRequest& request);

// The fields of a chat prompt alone (for /tokenize).
std::optional<ApiError> parse_chat_prompt(const boost::json::object& body, text::ChatRequest& prompt);

// The body's "model" is the served one, or absent, or the adapter that is given.
std::optional<ApiError> choose_model(const boost::json::object& body, const RequestRules& rules, AdapterPtr& adapter);
ApiError unknown_model(std::string_view name);
ApiError empty_prompt(std::string_view field);

// Sets sampling.max_tokens for a prompt of that many tokens; the error of a prompt that is empty, or too long by itself
// or with its answer.
std::optional<ApiError> fit_context(GenerationRequest& request, size_t prompt_tokens, const RequestRules& rules,
                                    std::string_view prompt_field);

// Refuses what would gather more log-probabilities than fit, over all choices of prompts with `prompt_tokens` tokens
// together. After fit_context.
std::optional<ApiError> check_answer_size(const GenerationRequest& request, size_t prompts, size_t prompt_tokens,
                                          const RequestRules& rules);

}  // namespace hone::serve
