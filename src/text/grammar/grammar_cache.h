// Compiles what requests ask for (a schema, an expression, EBNF, a list of choices) to token grammars, and keeps the
// last ones. Any thread; takes up to about a second for a large grammar, so it belongs on a worker, never on the
// engine's thread. Two that ask for the same at once may both compile it; one result is kept.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/matcher.h"

namespace hone::text {

enum class GrammarKind {
    kJsonObject,  // no text
    kJsonSchema,  // a schema
    kRegex,
    kEbnf,
    kChoice,  // a JSON array of strings
};

// A mark around something: a token of the vocabulary, or its letters.
struct Tag {
    std::string text;
    std::optional<TokenId> token;
};

// What may come before the text that is described: free text up to the end tag, and white space behind it.
struct ReasoningBefore {
    Tag begin, end;
    bool has_begun = false;  // else it may be left out
};

struct GrammarSource {
    GrammarKind kind = GrammarKind::kJsonObject;
    std::string text = {};
    JsonWhitespace whitespace = JsonWhitespace::kFlexible;  // of JSON
    bool open_objects = true;                               // of schemas that do not say
    std::optional<ReasoningBefore> reasoning = {};
};

// Without a vocabulary or a cache. Errors say what is wrong in the text.
Result<Grammar> compile_grammar(const GrammarSource& source, const GrammarLimits& limits = {});

class GrammarCache {
  public:
    static constexpr size_t kMostGrammars = 32;

    explicit GrammarCache(std::shared_ptr<const MaskVocabulary> vocabulary, size_t most = kMostGrammars,
                          const GrammarLimits& limits = {});

    Result<std::shared_ptr<const TokenGrammar>> get(const GrammarSource& source);
    const std::shared_ptr<const MaskVocabulary>& vocabulary() const { return vocabulary_; }

  private:
    struct Entry {
        std::string key;
        std::shared_ptr<const TokenGrammar> grammar;
    };

    std::shared_ptr<const MaskVocabulary> vocabulary_;
    size_t most_;
    GrammarLimits limits_;
    std::mutex mutex_;
    std::list<Entry> entries_;  // last used first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;
};

}  // namespace hone::text
