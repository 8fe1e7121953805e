// Makes the engine's constraints from the forms that requests want, and the calls that they demand: compiles grammars
// over the model's vocabulary and keeps the last. Any thread but the engine's; the first call builds the vocabulary's
// trie (a tenth of a second), a large grammar takes as long again. The tokenizer outlives it and what it makes.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "engine/decode/token_constraint.h"
#include "serve/openai/answer_form.h"
#include "serve/openai/requests.h"

namespace hone::serve {

class AnswerConstraints {
  public:
    // `ends` are the tokens that end an answer.
    AnswerConstraints(const text::Tokenizer& tokenizer, std::vector<int32_t> ends, int32_t vocabulary)
        : tokenizer_(tokenizer), ends_(std::move(ends)), vocabulary_(vocabulary) {}

    // Null for a request that wants any text. Reasoning comes before the form or the calls. Fails with the field at
    // fault.
    std::optional<ApiError> constrain(const GenerationRequest& request,
                                      std::shared_ptr<const engine::TokenConstraint>& constraint);

  private:
    using Made = Result<std::shared_ptr<const text::TokenGrammar>>;
    text::GrammarCache& cache();
    Made grammar_of_form(const GenerationRequest& request);
    Made grammar_of_calls(const OutputReading& reading);

    const text::Tokenizer& tokenizer_;
    const std::vector<int32_t> ends_;
    const int32_t vocabulary_;
    std::once_flag once_;
    std::unique_ptr<text::GrammarCache> cache_;
};

}  // namespace hone::serve
