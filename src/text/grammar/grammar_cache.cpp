#include "text/grammar/grammar_cache.h"

#include <boost/json/parse.hpp>

#include "text/grammar/ebnf.h"
#include "text/grammar/regular_expression.h"

namespace hone::text {

static Result<Grammar> grammar_of_choices(std::string_view text, const GrammarLimits& limits) {
    if (text.size() > limits.source) return error("the choices are too long: at most {} bytes", limits.source);
    boost::system::error_code code;
    const boost::json::value parsed = boost::json::parse(text, code);
    if (code || !parsed.is_array()) return error("the choices are not a JSON array of strings");
    GrammarBuilder builder(limits);
    std::vector<Expression> choices;
    for (const auto& choice : parsed.get_array()) {
        if (!choice.is_string()) return error("the choices are not a JSON array of strings");
        choices.push_back(builder.literal(choice.get_string()));
    }
    if (choices.empty()) return error("there is no choice");
    return builder.build(builder.choice(std::move(choices)));
}

Result<Grammar> compile_grammar(const GrammarSource& source, const GrammarLimits& limits) {
    const JsonSchemaOptions options{.whitespace = source.whitespace};
    switch (source.kind) {
        case GrammarKind::kJsonSchema:
            return grammar_of_json_schema(source.text, options, limits);
        case GrammarKind::kRegex:
            return grammar_of_regular_expression(source.text, limits);
        case GrammarKind::kEbnf:
            return grammar_of_ebnf(source.text, limits);
        case GrammarKind::kChoice:
            return grammar_of_choices(source.text, limits);
        case GrammarKind::kJsonObject:
            break;
    }
    GrammarBuilder builder(limits);
    return builder.build(add_json_object(builder, options));
}

GrammarCache::GrammarCache(std::shared_ptr<const MaskVocabulary> vocabulary, size_t most, const GrammarLimits& limits)
    : vocabulary_(std::move(vocabulary)), most_(most), limits_(limits) {}

Result<std::shared_ptr<const TokenGrammar>> GrammarCache::get(const GrammarSource& source) {
    std::string key = {static_cast<char>(source.kind), static_cast<char>(source.whitespace)};
    key += source.text;
    const auto find = [&]() -> std::shared_ptr<const TokenGrammar> {
        const auto found = index_.find(key);
        if (found == index_.end()) return nullptr;
        entries_.splice(entries_.begin(), entries_, found->second);
        return entries_.front().grammar;
    };
    {
        const std::lock_guard lock(mutex_);
        if (auto known = find()) return known;
    }
    auto compiled = compile_grammar(source, limits_);
    if (!compiled) return compiled.error();
    auto made = std::make_shared<const TokenGrammar>(std::move(*compiled), vocabulary_);
    const std::lock_guard lock(mutex_);
    if (auto known = find()) return known;  // another thread was faster
    entries_.push_front({std::move(key), made});
    index_.emplace(entries_.front().key, entries_.begin());
    if (entries_.size() > most_) {
        index_.erase(entries_.back().key);
        entries_.pop_back();
    }
    return made;
}

}  // namespace hone::text
