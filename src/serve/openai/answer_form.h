// The form that a request wants its answer to have: response_format, structured_outputs, and vLLM's guided_* fields.
// Pure functions, any thread.
#pragma once

#include <optional>
#include <string>

#include "serve/openai/field_reader.h"
#include "text/grammar/grammar_cache.h"

namespace hone::serve {

struct AnswerForm {
    std::string field;  // that asked for it, for messages
    text::GrammarSource source;
};

// Nothing: any text. More than one form is refused.
std::optional<AnswerForm> read_answer_form(FieldReader& fields);

}  // namespace hone::serve
