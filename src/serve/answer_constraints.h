// Makes the engine's constraints from the forms that requests want: compiles grammars over the model's vocabulary and
// keeps the last. Any thread but the engine's; the first call builds the vocabulary's trie (a tenth of a second), a large
// grammar takes as long again. The tokenizer outlives it and what it makes.
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

    // Null for a request that wants no form. Reasoning comes before the form. Fails with the field at fault.
    std::optional<ApiError> constrain(const GenerationRequest& request,
                                      std::shared_ptr<const engine::TokenConstraint>& constraint);

  private:
    text::GrammarCache& cache();

    const text::Tokenizer& tokenizer_;
    const std::vector<int32_t> ends_;
    const int32_t vocabulary_;
    std::once_flag once_;
    std::unique_ptr<text::GrammarCache> cache_;
};

}  // namespace hone::serve
