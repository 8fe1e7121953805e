#include "text/grammar/reasoning_before.h"

namespace hone::text {

constexpr uint32_t kMostNewlines = 4;

static Expression tag(GrammarBuilder& builder, const Tag& tag) {
    return tag.token ? builder.token(*tag.token) : builder.literal(tag.text);
}

Expression add_reasoning(GrammarBuilder& builder, const ReasoningBefore& reasoning, Expression answer) {
    std::vector<std::string> avoided = reasoning.avoided;
    if (!reasoning.end.token) avoided.push_back(reasoning.end.text);
    const Expression newlines = builder.repeat(builder.literal("\n"), 0, kMostNewlines);
    const Expression rest =
        builder.sequence({builder.text_without(avoided), tag(builder, reasoning.end), newlines, answer});
    if (reasoning.has_begun) return rest;
    return builder.choice({answer, builder.sequence({tag(builder, reasoning.begin), rest})});
}

}  // namespace hone::text
