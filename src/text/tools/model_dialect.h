// A dialect as one model speaks it: which of its markers are special tokens there, so that text cannot pass for them,
// and whether the model reasons. Immutable; any thread. The tokenizer outlives it.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "text/chat/template_files.h"
#include "text/grammar/reasoning_before.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tools/dialect.h"

namespace hone::text {

class ModelDialect {
  public:
    // `reasons`: false leaves the tags of the reasoning in the content.
    ModelDialect(const Dialect& dialect, bool reasons, const Tokenizer& tokenizer);

    // By the model's chat templates: of the dialect that they are written for, with reasoning if they mention its tag.
    // Nothing if they are written for none.
    static std::optional<ModelDialect> find(const ChatTemplates& chat_templates, const Tokenizer& tokenizer);

    const Dialect& dialect() const { return *dialect_; }
    // Outputs have to be parsed even if no tools were declared.
    bool structures_every_output() const { return reasons_ || dialect_->has_channels; }

    // `text`, which the token adds to the output, as a parser takes it: a marker gets its mark, and comes even where the
    // texts of special tokens are left out.
    void mark(TokenId token, std::string& text) const;

    // Whether the prompt has opened the reasoning: the tag ends it, blanks aside.
    bool opens_reasoning(std::span<const TokenId> prompt) const;
    // Whether the beginning of an answer that is continued has opened the reasoning.
    bool opens_reasoning(std::string_view begun_answer) const;

    // `tools` (null: calls are content) outlive the parser.
    std::unique_ptr<OutputParser> make_parser(bool in_reasoning, const DeclaredTools* tools) const;

    // The outputs that are one call, or several, of these tools, after reasoning if the model reasons. An Error tells
    // what of a schema is not supported. Takes up to about a second; only where can_call().
    Result<Grammar> call_grammar(const DeclaredTools& tools, bool several, bool in_reasoning,
                                 const GrammarLimits& limits = {}) const;
    // The reasoning that may come before an answer: nothing if the model does not reason.
    std::optional<ReasoningBefore> reasoning(bool has_begun) const;
    bool can_call() const { return dialect_->add_calls != nullptr; }

  private:
    const Dialect* dialect_;
    const Tokenizer* tokenizer_;
    bool reasons_;
    std::map<TokenId, std::string> markers_;  // that are special tokens
    AddedTexts added_;                        // those, and markers that are other added tokens
};

}  // namespace hone::text
