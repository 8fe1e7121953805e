// The dialects: how models write reasoning and tool calls. One entry a dialect, by the name that users give; the entry
// makes parsers. Immutable; any thread. Which dialect a model speaks is read off its chat template (find_dialect).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat/chat_template.h"
#include "text/tools/call_grammar.h"
#include "text/tools/declared_tools.h"
#include "text/tools/output_parser.h"

namespace hone::text {

// How markers come: those in `tokens` as tokens of their own, with kTokenMark before them, the others as text.
class MarkerSpelling {
  public:
    MarkerSpelling() = default;
    explicit MarkerSpelling(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
    std::string operator()(std::string_view marker) const;

  private:
    std::vector<std::string> tokens_;
};

struct ParserOptions {
    bool in_reasoning = false;             // the prompt ended inside the reasoning
    bool reads_reasoning = true;           // false: its tags are content (where the dialect has tags)
    bool reads_calls = true;               // false: calls are content
    const DeclaredTools* tools = nullptr;  // outlive the parser; null: none are declared
    MarkerSpelling spelling = {};
};

struct Dialect {
    std::string_view name;
    std::span<const std::string_view> markers;          // everything that structures the output
    std::string_view think_begin = {}, think_end = {};  // what encloses the reasoning; empty: nothing does
    bool has_channels = false;  // every output is structured, with or without reasoning and calls
    int id_length = 0;          // of ids for calls that have none, if its templates want a certain one
    // Whether models with that template answer in the dialect.
    bool (*is_spoken)(const ChatTemplate& chat_template);
    std::unique_ptr<OutputParser> (*make_parser)(const Dialect& dialect, const ParserOptions& options);
    // One call or several, as models of the dialect write them; null if it has no calls.
    Expression (*add_calls)(CallGrammar& grammar) = nullptr;
};

// All of them, in the order in which find_dialect asks.
std::span<const Dialect* const> dialects();
// Null if there is none of that name.
const Dialect* dialect_named(std::string_view name);

// The dialect in which a model with that template answers: the first of which the template has the words. Null: none
// that we know, the output is content.
const Dialect* find_dialect(const ChatTemplate& chat_template);

extern const Dialect kHarmony, kKimiK2, kDeepSeekV3, kDeepSeekV31, kMinimaxM2, kMistral, kQwen3Coder, kQwen3,
    kLlama3Json, kThink;

}  // namespace hone::text
