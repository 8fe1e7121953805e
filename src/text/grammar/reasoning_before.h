// Reasoning in front of a text that is described: free text between two tags. For forms of answers and for calls, so that
// both read it as the output parsers do. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/grammar/grammar_builder.h"

namespace hone::text {

// A mark around something: a token of the vocabulary, or its letters.
struct Tag {
    std::string text;
    std::optional<TokenId> token;
};

struct ReasoningBefore {
    Tag begin, end;
    bool has_begun = false;  // else it may be left out
    // What the reasoning does not spell in letters, as its readers would take it for more than that. Letters of an end
    // that is no token are avoided in any case.
    std::vector<std::string> avoided = {};
};

// `answer` behind the reasoning and newlines.
Expression add_reasoning(GrammarBuilder& builder, const ReasoningBefore& reasoning, Expression answer);

}  // namespace hone::text
