#include "serve/answer_constraints.h"

#include <algorithm>

#include "base/check.h"

namespace hone::serve {

namespace {

class GrammarText : public engine::ConstrainedText {
  public:
    explicit GrammarText(std::shared_ptr<const text::TokenGrammar> grammar) : matcher_(std::move(grammar)) {}

    std::span<const uint64_t> allowed() override {
        mask_ = matcher_.allowed();
        return mask_->words();
    }
    void accept(int32_t token) override { CHECK(matcher_.accept(token), "token {} is not allowed", token); }
    bool ended() const override { return matcher_.ended(); }
    std::vector<int32_t> forced() override { return matcher_.forced(); }

  private:
    text::GrammarMatcher matcher_;
    std::shared_ptr<const text::TokenMask> mask_;
};

class GrammarConstraint : public engine::TokenConstraint {
  public:
    explicit GrammarConstraint(std::shared_ptr<const text::TokenGrammar> grammar) : grammar_(std::move(grammar)) {}
    std::unique_ptr<engine::ConstrainedText> begin() const override { return std::make_unique<GrammarText>(grammar_); }
    int32_t vocabulary() const override { return grammar_->vocabulary().size(); }

  private:
    std::shared_ptr<const text::TokenGrammar> grammar_;
};

// The added token of that text, which ordinary tokens cannot spell in a grammar.
text::Tag tag_of(const text::Tokenizer& tokenizer, std::string_view text) {
    const auto& added = tokenizer.added_tokens();
    const auto token = std::ranges::find(added, text, &text::AddedToken::content);
    return {std::string(text), token == added.end() ? std::nullopt : std::optional(token->id)};
}

}  // namespace

text::GrammarCache& AnswerConstraints::cache() {
    std::call_once(once_, [&] {
        cache_ = std::make_unique<text::GrammarCache>(
            std::make_shared<const text::MaskVocabulary>(tokenizer_, ends_, vocabulary_));
    });
    return *cache_;
}

std::optional<ApiError> AnswerConstraints::constrain(const GenerationRequest& request,
                                                     std::shared_ptr<const engine::TokenConstraint>& constraint) {
    if (!request.form) return std::nullopt;
    const std::string& field = request.form->field;
    const auto refused = [&](std::string message, const char* code = "invalid_value") {
        return ApiError{.message = fmt::format("'{}': {}", field, message), .param = field, .code = code};
    };
    if (!tokenizer_.reads_text()) return refused("this model has no tokenizer", "unsupported_parameter");
    if (ends_.empty()) return refused("this model names no token that ends an answer", "unsupported_parameter");
    text::GrammarSource source = request.form->source;
    const OutputReading& reading = request.reading;
    if (reading.dialect && reading.dialect->structures_every_output()) {
        const text::Dialect& dialect = reading.dialect->dialect();
        if (dialect.has_channels) {
            return refused("this model writes its answers in channels, whose form cannot be set",
                           "unsupported_parameter");
        }
        source.reasoning = {.begin = tag_of(tokenizer_, dialect.think_begin),
                            .end = tag_of(tokenizer_, dialect.think_end),
                            .has_begun = reading.in_reasoning};
    }
    const auto grammar = cache().get(source);
    if (!grammar) return refused(grammar.error().message);
    constraint = std::make_shared<const GrammarConstraint>(*grammar);
    return std::nullopt;
}

}  // namespace hone::serve
