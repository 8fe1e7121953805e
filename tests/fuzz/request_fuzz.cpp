// Any bytes as the body of a request: parsed, rendered by a chat template and tokenised, it is either refused in words or
// ready to run.
#include <filesystem>

#include "base/check.h"
#include "serve/openai/field_reader.h"
#include "serve/openai/prompt_building.h"
#include "serve/openai/requests.h"
#include "text/utf8.h"

namespace hone::serve {
namespace {

constexpr int32_t kVocabulary = 288;

void check_refusal(const ApiError& problem) {
    CHECK(problem.status == 400 || problem.status == 404, "status {}", problem.status);
    CHECK(!problem.message.empty(), "a refusal without words");
    CHECK(error_response(problem).body.find("\"error\"") != std::string::npos, "{}", problem.message);
}

void check_prompt(const PromptTokens& tokens) {
    for (const int32_t token : tokens) CHECK(token >= 0 && token < kVocabulary, "token {}", token);
}

class Target {
  public:
    Target() {
        auto loaded = text::Tokenizer::load(std::filesystem::path(HONE_TESTS_DIR) / "golden/models/qwen3_moe");
        CHECK(loaded.ok(), "{}", loaded.error().message);
        tokenizer_ = std::move(loaded).value();
    }

    void run(std::string_view body) const {
        boost::json::value parsed;
        if (const auto problem = parse_json_object(body, parsed)) return check_refusal(*problem);
        complete(parsed.get_object());
        chat(parsed.get_object());
    }

  private:
    void complete(const boost::json::object& body) const {
        CompletionRequest request;
        if (const auto problem = parse_completion_request(body, rules_, request)) return check_refusal(*problem);
        CHECK(!request.prompts.empty() && request.choices > 0, "nothing to do");
        for (const CompletionPrompt& prompt : request.prompts) {
            PromptTokens tokens;
            if (const auto* text = std::get_if<PromptText>(&prompt)) {
                if (const auto problem = encode_prompt(*tokenizer_, *text, true, tokens))
                    return check_refusal(*problem);
            } else {
                tokens = std::get<PromptTokens>(prompt);
            }
            finish(request, tokens, "prompt");
        }
    }
    void chat(const boost::json::object& body) const {
        ChatCompletionRequest request;
        if (const auto problem = parse_chat_request(body, rules_, request)) return check_refusal(*problem);
        PromptTokens tokens;
        if (const auto problem = encode_chat(templates_, *tokenizer_, request.prompt, tokens))
            return check_refusal(*problem);
        finish(request, tokens, "messages");
    }
    void finish(GenerationRequest& request, const PromptTokens& tokens, std::string_view field) const {
        check_prompt(tokens);
        if (const auto problem = fit_context(request, tokens.size(), rules_, field)) return check_refusal(*problem);
        if (const auto problem = check_answer_size(request, 1, tokens.size(), rules_)) return check_refusal(*problem);
        CHECK(static_cast<int64_t>(tokens.size()) + request.sampling.max_tokens <= rules_.max_context, "too long");
    }

    const RequestRules rules_{
        .model = "tiny", .defaults = {.end_ids = {2}}, .vocabulary = kVocabulary, .max_context = 1000};
    const text::ChatTemplates templates_ = default_chat_templates();
    std::unique_ptr<text::Tokenizer> tokenizer_;
};

}  // namespace
}  // namespace hone::serve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const hone::serve::Target target;
    target.run({reinterpret_cast<const char*>(data), size});
    return 0;
}
