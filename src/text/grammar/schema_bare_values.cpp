// Values whose strings stand bare: the texts of strings, and the JSON of everything else.
#include "text/grammar/schema_compiler.h"

namespace hone::text {

// Characters. Up to there a bound is kept beside everything else, at as many states for every state of what is allowed.
constexpr uint32_t kLongestChecked = 64;

Result<BareValue> SchemaCompiler::compile_bare(const SchemaAt& schema, const BareStrings& strings) {
    const auto alternatives = reader_.alternatives({schema});
    if (!alternatives) return alternatives.error();
    std::vector<Expression> texts, others;
    place_ = schema.pointer;
    for (const Facts& facts : *alternatives) {
        // A schema without a type that only speaks of numbers, say, is satisfied by every string.
        if (facts.types & kStringType) texts.push_back(bare_string(facts, strings));
        Facts rest = facts;
        rest.types = facts.meant_types() & ~kStringType;
        if (rest.types != 0) others.push_back(of_facts(rest));
    }
    const BareValue value{.strings = b_.choice(std::move(texts)), .others = b_.choice(std::move(others))};
    define_open_rules();
    if (b_.failed()) return b_.failure();
    return value;
}

Expression SchemaCompiler::bare_string(const Facts& facts, const BareStrings& strings) {
    std::vector<Expression> all;
    if (facts.values) {
        std::vector<Expression> listed;
        for (const auto& [value, hash] : *facts.values)
            if (value->is_string()) listed.push_back(b_.literal(value->get_string()));
        all.push_back(b_.choice(std::move(listed)));
    }
    for (const auto& [text, pointer] : facts.patterns)
        all.push_back(pattern(text->get_string(), RegexScope::kPart, pointer + ": pattern", CharacterForm::kPlain));
    for (const std::string& text : facts.formats)
        all.push_back(pattern(text, RegexScope::kWhole, "format", CharacterForm::kPlain));
    if (facts.min_length > 0 || facts.max_length) {
        if (facts.max_length && *facts.max_length < facts.min_length) return b_.nothing();
        const bool is_long = std::max(facts.min_length, facts.max_length.value_or(0)) > kLongestChecked;
        const bool is_harmless = is_long && all.empty() && strings.harmless;
        const CodePoints characters = is_harmless ? *strings.harmless : CodePoints::all();
        const Expression bounded = b_.repeat(b_.characters(characters), facts.min_length, facts.max_length);
        if (is_harmless) return bounded;
        all.push_back(bounded);
    }
    Expression text = strings.allowed;
    for (const Expression other : all) text = b_.both(text, other);
    return text;
}

}  // namespace hone::text
