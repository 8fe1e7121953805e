// Compiles what requests ask for (a schema, an expression, EBNF, a list of choices) to token grammars, and keeps the
// last ones. Any thread; takes up to about a second for a large grammar, so it belongs on a worker, never on the
// engine's thread. Two that ask for the same at once may both compile it; one result is kept.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/matcher.h"
#include "text/grammar/reasoning_before.h"

namespace hone::text {

enum class GrammarKind {
    kJsonObject,  // no text
    kJsonSchema,  // a schema
    kRegex,
    kEbnf,
    kChoice,  // a JSON array of strings
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
    // The grammar that `compile` makes, which `key` stands for: a text that no other grammar of this cache has.
    Result<std::shared_ptr<const TokenGrammar>> get(std::string key, const std::function<Result<Grammar>()>& compile);
    const GrammarLimits& limits() const { return limits_; }
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
