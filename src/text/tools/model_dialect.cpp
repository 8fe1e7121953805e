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
    return stripped(tail).ends_with(dialect_->think_begin);
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

std::optional<ReasoningBefore> ModelDialect::reasoning(bool has_begun) const {
    if (!reasons_) return std::nullopt;
    const auto tag = [&](std::string_view text) {
        const auto token = added_.find(text);
        return Tag{std::string(text), token == added_.end() ? std::nullopt : std::optional(token->second)};
    };
    ReasoningBefore before{
        .begin = tag(dialect_->think_begin), .end = tag(dialect_->think_end), .has_begun = has_begun};
    // Those that reach the parser as text.
    for (const std::string_view marker : dialect_->markers) {
        const bool is_special =
            std::ranges::any_of(markers_, [&](const auto& known) { return known.second == marker; });
        if (!is_special) before.avoided.emplace_back(marker);
    }
    return before;
}

Result<Grammar> ModelDialect::call_grammar(const DeclaredTools& tools, bool several, bool in_reasoning,
                                           const GrammarLimits& limits) const {
    CHECK(can_call() && !tools.empty());
    GrammarBuilder builder(limits);
    CallGrammar grammar(builder, added_, tools, several);
    Expression calls = dialect_->add_calls(grammar);
    if (const auto before = reasoning(in_reasoning))
        calls = add_reasoning(builder, *before, builder.as_rule("calls", calls));
    return grammar.build(calls);
}

}  // namespace hone::text
