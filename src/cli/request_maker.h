// From the body of a chat or completion request, as the HTTP API takes it, to what the engine runs, without a server:
// the same fields, checks, templates, dialects and defaults. Immutable; any thread. Model, text and engine outlive it
// and all that it makes. Errors name the field.
#pragma once

#include <memory>
#include <optional>

#include "cli/model_options.h"
#include "cli/model_text.h"
#include "engine/engine.h"
#include "serve/openai/choice_text.h"
#include "serve/openai/requests.h"

namespace hone::cli {

// A request that is ready to run, and its answer as it arrives.
struct ReadyRequest {
    serve::GenerationRequest request;
    serve::PromptTokens prompt;
    std::optional<serve::ChoiceText> answer;  // refers to `request`
};

class RequestMaker {
  public:
    RequestMaker(const OpenModel& open, const ModelText& text, int32_t max_context);
    RequestMaker(const RequestMaker&) = delete;

    // A body with 'messages' is a chat, one with 'prompt' a completion. max_tokens that the context has no room for is
    // as many as it has; a prompt that leaves room for none is an error.
    Result<std::unique_ptr<ReadyRequest>> make(const boost::json::object& body) const;
    // What the fields beside the prompt come to, with the model's defaults where they say nothing.
    Result<engine::SamplingParams> sampling(const boost::json::object& body) const;
    // For the engine.
    engine::Request engine_request(const ReadyRequest& ready) const;

    bool has_template() const { return text_.chat_templates.has_value(); }
    const text::Tokenizer& tokenizer() const { return *text_.tokenizer; }
    const serve::GenerationDefaults& defaults() const { return rules_.defaults; }
    int32_t max_context() const { return rules_.max_context; }

  private:
    Status make_chat(const boost::json::object& body, ReadyRequest& ready) const;
    Status make_completion(const boost::json::object& body, ReadyRequest& ready) const;

    const ModelText& text_;
    const std::shared_ptr<const model::Adapter> adapter_;  // null: none
    const text::ChatTemplates templates_;
    const std::optional<text::ModelDialect> dialect_;
    serve::RequestRules rules_;
};

}  // namespace hone::cli
