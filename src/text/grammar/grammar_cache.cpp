#include "text/grammar/grammar_cache.h"

#include <boost/json/parse.hpp>

#include "text/grammar/ebnf.h"
#include "text/grammar/regular_expression.h"
#include "text/grammar/source_reader.h"

namespace hone::text {

// Parses JSON that has to outlive the builder's use of it.
static Result<boost::json::value> parse_json(std::string_view text, const GrammarLimits& limits) {
    if (const Status status = check_source(text, limits); !status) return status.error();
    boost::json::parse_options options;
    options.max_depth = limits.nesting;
    boost::system::error_code code;
    boost::json::value value = boost::json::parse(text, code, {}, options);
    if (code) return error("it is not JSON: {}", code.message());
    return value;
}

static Result<Expression> add_choices(GrammarBuilder& builder, const boost::json::value& list) {
    std::vector<Expression> choices;
    const auto* array = list.if_array();
    for (const auto& choice : array ? *array : boost::json::array()) {
        if (!choice.is_string()) return error("the choices are not a JSON array of strings");
        choices.push_back(builder.literal(choice.get_string()));
    }
    if (choices.empty()) return error("there is no choice");
    return builder.choice(std::move(choices));
}

static Result<Expression> add_source(GrammarBuilder& builder, const GrammarSource& source,
                                     const boost::json::value& parsed) {
    const JsonSchemaOptions options{.whitespace = source.whitespace, .open_objects = source.open_objects};
    switch (source.kind) {
        case GrammarKind::kJsonSchema:
            return add_json_schema(builder, parsed, options);
        case GrammarKind::kRegex:
            return add_regular_expression(builder, source.text);
        case GrammarKind::kEbnf:
            return add_ebnf(builder, source.text);
        case GrammarKind::kChoice:
            return add_choices(builder, parsed);
        case GrammarKind::kJsonObject:
            break;
    }
    return add_json_object(builder, options);
}

Result<Grammar> compile_grammar(const GrammarSource& source, const GrammarLimits& limits) {
    boost::json::value parsed;
    if (source.kind == GrammarKind::kJsonSchema || source.kind == GrammarKind::kChoice) {
        auto value = parse_json(source.text, limits);
        if (!value) return value.error().within(source.kind == GrammarKind::kChoice ? "choices" : "schema");
        parsed = std::move(*value);
    }
    GrammarBuilder builder(limits);
    auto root = add_source(builder, source, parsed);
    if (!root) return root.error();
    if (source.kind == GrammarKind::kJsonSchema) builder.explain_empty(error("schema: no value satisfies the schema"));
    if (source.reasoning) root = add_reasoning(builder, *source.reasoning, builder.as_rule("answer", *root));
    return builder.build(*root);
}

static std::string key_of(const GrammarSource& source) {
    std::string key = {static_cast<char>(source.kind), static_cast<char>(source.whitespace),
                       static_cast<char>(source.open_objects)};
    if (const auto& reasoning = source.reasoning) {
        key += fmt::format("{} {}{} {}{}", reasoning->has_begun, reasoning->begin.text,
                           reasoning->begin.token.value_or(-1), reasoning->end.text, reasoning->end.token.value_or(-1));
        for (const std::string& text : reasoning->avoided) key += ' ' + text;
    }
    return key + '\0' + source.text;
}

GrammarCache::GrammarCache(std::shared_ptr<const MaskVocabulary> vocabulary, size_t most, const GrammarLimits& limits)
    : vocabulary_(std::move(vocabulary)), most_(most), limits_(limits) {}

Result<std::shared_ptr<const TokenGrammar>> GrammarCache::get(const GrammarSource& source) {
    return get(key_of(source), [&] { return compile_grammar(source, limits_); });
}

Result<std::shared_ptr<const TokenGrammar>> GrammarCache::get(std::string key,
                                                              const std::function<Result<Grammar>()>& compile) {
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
    auto compiled = compile();
    if (!compiled) return compiled.error();
    auto made = std::make_shared<const TokenGrammar>(std::move(*compiled), vocabulary_);
    if (const Status status = made->check(); !status) return status.error().within("grammar");
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
