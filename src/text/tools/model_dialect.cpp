#include "text/tools/model_dialect.h"

#include <algorithm>

#include "base/check.h"
#include "text/tools/marker_search.h"

namespace hone::text {

// Enough for the longest tag, one byte a token, and blanks.
constexpr size_t kTailTokens = 32;

ModelDialect::ModelDialect(const Dialect& dialect, bool reasons, const Tokenizer& tokenizer)
    : dialect_(&dialect), tokenizer_(&tokenizer), reasons_(reasons && !dialect.think_begin.empty()) {
    for (const AddedToken& token : tokenizer.added_tokens()) {
        if (std::ranges::find(dialect.markers, token.content) == dialect.markers.end()) continue;
        added_.emplace(token.content, token.id);
        if (token.special) markers_.emplace(token.id, token.content);
    }
}

std::optional<ModelDialect> ModelDialect::find(const ChatTemplates& chat_templates, const Tokenizer& tokenizer) {
    const ChatTemplate &with_tools = chat_templates.choose(true), &without = chat_templates.choose(false);
    const Dialect* dialect = find_dialect(with_tools);
    if (!dialect) dialect = find_dialect(without);
    if (!dialect) return std::nullopt;
    const bool reasons = with_tools.mentions(dialect->think_begin) || without.mentions(dialect->think_begin);
    return ModelDialect(*dialect, reasons, tokenizer);
}

void ModelDialect::mark(TokenId token, std::string& text) const {
    const auto marker = markers_.find(token);
    if (marker == markers_.end()) return;
    if (text.ends_with(marker->second)) text.resize(text.size() - marker->second.size());
    text.append(1, kTokenMark).append(marker->second);
}

bool ModelDialect::opens_reasoning(std::span<const TokenId> prompt) const {
    if (!reasons_) return false;
    const std::string tail = tokenizer_->decode(prompt.last(std::min(prompt.size(), kTailTokens)), false);
    return trimmed(tail).ends_with(dialect_->think_begin);
}

bool ModelDialect::opens_reasoning(std::string_view begun_answer) const {
    if (!reasons_) return false;
    const size_t begin = begun_answer.rfind(dialect_->think_begin), end = begun_answer.rfind(dialect_->think_end);
    return begin != begun_answer.npos && (end == begun_answer.npos || end < begin);
}

std::unique_ptr<OutputParser> ModelDialect::make_parser(bool in_reasoning, const DeclaredTools* tools) const {
    std::vector<std::string> tokens;
    for (const auto& [token, marker] : markers_) tokens.push_back(marker);
    return dialect_->make_parser(*dialect_, {.in_reasoning = in_reasoning,
                                             .reads_reasoning = reasons_,
                                             .reads_calls = tools != nullptr,
                                             .tools = tools,
                                             .spelling = MarkerSpelling(std::move(tokens))});
}

Result<Grammar> ModelDialect::call_grammar(const DeclaredTools& tools, bool several, bool in_reasoning,
                                           const GrammarLimits& limits) const {
    CHECK(can_call() && !tools.empty());
    GrammarBuilder builder(limits);
    CallGrammar grammar(builder, added_, tools, several);
    Expression calls = dialect_->add_calls(grammar);
    if (reasons_) {
        Expression reasoning = grammar.text_up_to(dialect_->think_end);
        if (!in_reasoning)
            reasoning = builder.optional(grammar.sequence({grammar.marker(dialect_->think_begin), reasoning}));
        const Expression newlines = builder.repeat(grammar.text("\n"), 0, 2);
        calls = grammar.sequence({reasoning, newlines, calls});
    }
    return grammar.build(calls);
}

}  // namespace hone::text
