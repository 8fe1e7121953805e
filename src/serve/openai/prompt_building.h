// From what a request gives as its prompt to token ids: templates and tokenising. Slow for long prompts, so called on
// worker threads only. Pure functions.
#pragma once

#include <optional>

#include "serve/openai/requests.h"
#include "text/chat/template_files.h"
#include "text/tokenizer/tokenizer.h"

namespace hone::serve {

// ChatML without tools, for models that bring no template of their own.
text::ChatTemplates default_chat_templates();

// The tokens of a conversation, in which control tokens that users wrote are ordinary text; a request with tools takes
// the template for those. Fails where the template does, with its message. This and encode_prompt refuse text where the
// model has no tokenizer.
std::optional<ApiError> encode_chat(const text::ChatTemplates& chat_templates, const text::Tokenizer& tokenizer,
                                    const text::ChatRequest& prompt, PromptTokens& tokens);

// Whether the answer to a prompt of these tokens begins inside the reasoning: the template has opened it, or the answer
// to be continued has.
bool opens_reasoning(const text::ModelDialect& dialect, const text::ChatRequest& prompt, const PromptTokens& tokens);

// The tokens of a prompt for /v1/completions: special tokens in the text count.
std::optional<ApiError> encode_prompt(const text::Tokenizer& tokenizer, std::string_view prompt,
                                      bool add_special_tokens, PromptTokens& tokens);

}  // namespace hone::serve
