#include "serve/openai/prompt_building.h"

#include "base/check.h"
#include "text/chat/chat_tokens.h"

namespace hone::serve {

constexpr const char* kDefaultChatTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% "
    "endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

text::ChatTemplates default_chat_templates() {
    auto parsed = text::ChatTemplate::parse(kDefaultChatTemplate, "the built-in default chat template");
    CHECK(parsed.ok(), "{}", parsed.error().message);
    return text::ChatTemplates(std::move(*parsed));
}

static ApiError no_tokenizer(std::string_view field) {
    return {.message = fmt::format("'{}': this model has no tokenizer, so it takes no text; give token ids as the "
                                   "'prompt' of /v1/completions",
                                   field),
            .param = std::string(field),
            .code = "no_tokenizer"};
}

std::optional<ApiError> encode_chat(const text::ChatTemplates& chat_templates, const text::Tokenizer& tokenizer,
                                    const text::ChatRequest& prompt, PromptTokens& tokens) {
    if (!tokenizer.reads_text()) return no_tokenizer("messages");
    Result<std::vector<text::TokenId>> encoded =
        text::encode_chat(chat_templates.choose(prompt.tools.has_value()), tokenizer, prompt);
    if (!encoded.ok())
        return ApiError{.message = encoded.error().message, .param = "messages", .code = "chat_template_error"};
    tokens = std::move(encoded).value();
    return std::nullopt;
}

bool opens_reasoning(const text::ModelDialect& dialect, const text::ChatRequest& prompt, const PromptTokens& tokens) {
    if (dialect.opens_reasoning(std::span(tokens))) return true;
    if (prompt.continued_field.empty()) return false;
    const boost::json::value& begun = prompt.messages.back().at(prompt.continued_field);
    return begun.is_string() && dialect.opens_reasoning(std::string_view(begun.get_string()));
}

std::optional<ApiError> encode_prompt(const text::Tokenizer& tokenizer, std::string_view prompt,
                                      bool add_special_tokens, PromptTokens& tokens) {
    if (!tokenizer.reads_text()) return no_tokenizer("prompt");
    tokens = tokenizer.encode(prompt, {.add_special_tokens = add_special_tokens, .parse_special_tokens = true});
    return std::nullopt;
}

}  // namespace hone::serve
