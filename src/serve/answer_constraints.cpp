#include "serve/answer_constraints.h"

#include <boost/json/serialize.hpp>

#include "text/grammar/source_reader.h"

namespace hone::serve {

namespace {

class GrammarText : public engine::ConstrainedText {
  public:
    explicit GrammarText(std::shared_ptr<const text::TokenGrammar> grammar) : matcher_(std::move(grammar)) {}

    Result<std::span<const uint64_t>> allowed() override {
        auto mask = matcher_.allowed();
        if (!mask) return mask.error();
        mask_ = std::move(*mask);
        return mask_->words();
    }
    Status accept(int32_t token) override {
        if (matcher_.accept(token)) return ok();
        return error("with token {} the answer could be read in too many ways: ask for a simpler form", token);
    }
    bool ended() const override { return matcher_.ended(); }
    Result<std::vector<int32_t>> forced() override { return matcher_.forced(); }

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

}  // namespace

text::GrammarCache& AnswerConstraints::cache() {
    std::call_once(once_, [&] {
        cache_ = std::make_unique<text::GrammarCache>(
            std::make_shared<const text::MaskVocabulary>(tokenizer_, ends_, vocabulary_));
    });
    return *cache_;
}

AnswerConstraints::Made AnswerConstraints::grammar_of_form(const GenerationRequest& request) {
    text::GrammarSource source = request.form->source;
    const OutputReading& reading = request.reading;
    if (reading.dialect) source.reasoning = reading.dialect->reasoning(reading.in_reasoning);
    return cache().get(source);
}

AnswerConstraints::Made AnswerConstraints::grammar_of_calls(const OutputReading& reading) {
    const bool several = !reading.one_call;
    std::string key = fmt::format("calls {} {}", several, reading.in_reasoning);
    for (const text::DeclaredTool& tool : *reading.tools)
        key.append(1, '\0').append(tool.name).append(" ").append(boost::json::serialize(tool.parameters));
    if (const Status status = text::check_source(key, cache().limits()); !status) return status.error();
    return cache().get(std::move(key), [&] {
        return reading.dialect->call_grammar(*reading.tools, several, reading.in_reasoning, cache().limits());
    });
}

std::optional<ApiError> AnswerConstraints::constrain(const GenerationRequest& request,
                                                     std::shared_ptr<const engine::TokenConstraint>& constraint) {
    const OutputReading& reading = request.reading;
    const bool calls = reading.forced != ForcedCalls::none;
    if (!calls && !request.form) return std::nullopt;
    const std::string field = calls ? "tool_choice" : request.form->field;
    const auto refused = [](const std::string& field, std::string_view message, const char* code) {
        return ApiError{.message = fmt::format("'{}': {}", field, message), .param = field, .code = code};
    };
    constexpr const char* kUnsupported = "unsupported_parameter";
    if (!tokenizer_.reads_text()) return refused(field, "this model has no tokenizer", kUnsupported);
    if (ends_.empty()) return refused(field, "this model names no token that ends an answer", kUnsupported);
    if (!calls && reading.dialect && reading.dialect->dialect().has_channels) {
        return refused(field, "this model writes its answers in channels, whose form cannot be set", kUnsupported);
    }
    const Made grammar = calls ? grammar_of_calls(reading) : grammar_of_form(request);
    if (!grammar) return refused(calls ? "tools" : field, grammar.error().message, "invalid_value");
    constraint = std::make_shared<const GrammarConstraint>(*grammar);
    return std::nullopt;
}

}  // namespace hone::serve
