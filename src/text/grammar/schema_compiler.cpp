#include "text/grammar/schema_compiler.h"

#include <algorithm>

#include "text/grammar/number_ranges.h"

namespace hone::text {

namespace json = boost::json;

Result<Expression> SchemaCompiler::compile(const json::value& root) {
    const Expression expression = value_of({{&root, "#"}});
    define_open_rules();
    if (b_.failed()) return b_.failure();
    return expression;
}

void SchemaCompiler::define_open_rules() {
    while (!open_.empty() && !b_.failed()) {
        const OpenRule open = std::move(open_.front());
        open_.pop_front();
        place_ = open.pointer;
        b_.define(open.rule, of_alternatives(open.alternatives));
    }
}

Expression SchemaCompiler::value_of(SchemaSet schemas) {
    std::vector<const json::value*> key;
    for (SchemaAt& at : schemas) {
        auto resolved = reader_.resolved(at);
        if (!resolved) {
            b_.fail(resolved.error());
            return b_.nothing();
        }
        at = *resolved;
        key.push_back(at.schema);
    }
    std::ranges::sort(key);
    key.erase(std::unique(key.begin(), key.end()), key.end());
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    auto alternatives = reader_.alternatives(schemas);
    if (!alternatives) {
        b_.fail(alternatives.error());
        return b_.nothing();
    }
    const std::string pointer = schemas.empty() ? "value" : schemas.front().pointer;
    const GrammarRule rule = b_.rule(pointer);
    open_.push_back({rule, pointer, std::move(*alternatives)});
    return known_.emplace(std::move(key), b_.call(rule)).first->second;
}

Expression SchemaCompiler::of_alternatives(const std::vector<Facts>& alternatives) {
    std::vector<Expression> ways;
    for (const Facts& facts : alternatives) {
        if (!b_.failed()) ways.push_back(of_facts(facts));
    }
    return b_.choice(std::move(ways));
}

Expression SchemaCompiler::of_facts(const Facts& facts) {
    const unsigned types = facts.meant_types();
    if (facts.values) return of_values(facts, types);
    if (types == kAnyType) return parts_.value();
    std::vector<Expression> ways;
    if (types & kNullType) ways.push_back(parts_.null());
    if (types & kBooleanType) ways.push_back(parts_.boolean());
    if (types & kStringType) ways.push_back(of_string(facts));
    if (types & kObjectType) ways.push_back(of_object(facts));
    if (types & kArrayType) ways.push_back(of_array(facts));
    const bool is_bounded = facts.low || facts.high;
    if (types & kFractionType) {
        ways.push_back(is_bounded ? numbers(b_, facts.low, facts.high) : parts_.number());
    } else if (types & kIntegerType) {
        ways.push_back(is_bounded ? integers(b_, facts.low, facts.high) : parts_.integer());
    }
    return b_.choice(std::move(ways));
}

static bool is_inside(const NumberBound& bound, const Decimal& value, bool is_low) {
    const auto order = is_low ? value <=> bound.value : bound.value <=> value;
    return order > 0 || (order == 0 && !bound.exclusive);
}

Expression SchemaCompiler::of_values(const Facts& facts, unsigned types) {
    std::vector<Expression> ways, strings;
    for (const auto& [value, hash] : *facts.values) {
        if (b_.failed()) break;
        if (value->is_string()) {
            if (types & kStringType) strings.push_back(parts_.content(value->get_string()));
        } else if (value->is_number()) {
            const auto decimal = decimal_of(*value);
            const bool is_integer = decimal && decimal->fraction.empty();
            if (!(types & (is_integer ? kIntegerType : kFractionType))) continue;
            if (!decimal && (facts.low || facts.high))
                b_.fail(hone::error("{}: a number too large to compare with bounds", facts.values_at));
            if (facts.low && decimal && !is_inside(*facts.low, *decimal, true)) continue;
            if (facts.high && decimal && !is_inside(*facts.high, *decimal, false)) continue;
            ways.push_back(parts_.constant(*value));
        } else if (value->is_structured()) {
            if (!(types & (value->is_object() ? kObjectType : kArrayType))) continue;
            if (facts.mentioned & (kObjectType | kArrayType)) {
                b_.fail(hone::error("{}: objects and arrays beside keywords about members or items are not supported",
                                    facts.values_at));
            }
            ways.push_back(parts_.constant(*value));
        } else if (types & (value->is_null() ? kNullType : kBooleanType)) {
            ways.push_back(parts_.constant(*value));
        }
    }
    if (!strings.empty()) {
        const Expression any = b_.choice(std::move(strings));
        ways.push_back(parts_.quoted(has_string_facts(facts) ? b_.both(any, string_content(facts)) : any));
    }
    return b_.choice(std::move(ways));
}

bool SchemaCompiler::has_string_facts(const Facts& facts) const {
    return facts.min_length > 0 || facts.max_length || !facts.patterns.empty() || !facts.formats.empty();
}

Expression SchemaCompiler::of_string(const Facts& facts) {
    if (!has_string_facts(facts)) return parts_.string();
    if (facts.patterns.empty() && facts.formats.empty()) {
        return parts_.string_of_length(facts.min_length, facts.max_length);
    }
    return parts_.quoted(string_content(facts));
}

Expression SchemaCompiler::string_content(const Facts& facts) {
    std::vector<Expression> all;
    for (const auto& [text, pointer] : facts.patterns) {
        all.push_back(pattern(text->get_string(), RegexScope::kPart, pointer + ": pattern"));
    }
    for (const std::string& text : facts.formats) all.push_back(pattern(text, RegexScope::kWhole, "format"));
    if (facts.min_length > 0 || facts.max_length) {
        all.push_back(parts_.content_of_length(facts.min_length, facts.max_length));
    }
    Expression content = all.front();
    for (size_t i = 1; i < all.size(); i++) content = b_.both(content, all[i]);
    return parts_.without_avoided(content);
}

Expression SchemaCompiler::pattern(std::string_view text, RegexScope scope, std::string_view where,
                                   CharacterForm form) {
    const auto expression = add_regular_expression(b_, text, scope, form);
    if (expression) return *expression;
    b_.fail(expression.error().within(where));
    return b_.nothing();
}

SchemaSet SchemaCompiler::item_schemas(const Facts& facts, size_t index) const {
    SchemaSet schemas;
    for (const auto& array : facts.arrays) {
        if (index < array->prefix.size()) {
            schemas.push_back(array->prefix[index]);
        } else if (array->rest) {
            schemas.push_back(*array->rest);
        }
    }
    return schemas;
}

// Items 0 .. prefix - 1 are states of a graph, those behind it a repetition.
Expression SchemaCompiler::of_array(const Facts& facts) {
    size_t prefix = 0;
    for (const auto& array : facts.arrays) prefix = std::max(prefix, array->prefix.size());
    const auto item = [&](size_t index) {
        const SchemaSet schemas = item_schemas(facts, index);
        return b_.sequence({schemas.empty() ? parts_.value() : value_of(schemas), parts_.space()});
    };
    const uint32_t least = facts.min_items, begin = static_cast<uint32_t>(prefix);
    if (facts.max_items && *facts.max_items < least) return b_.nothing();
    std::vector<GrammarBuilder::Edge> edges;
    std::vector<uint32_t> accepting;
    for (uint32_t i = 0; i <= begin && !b_.failed(); i++) {
        if (i >= least) accepting.push_back(i);
        if (facts.max_items && *facts.max_items <= i) break;
        const Expression next = i > 0 ? b_.sequence({parts_.comma(), item(i)}) : item(i);
        if (i < begin) {
            edges.push_back({i, i + 1, next});
            continue;
        }
        // The item after the prefix, and all that follow.
        const uint32_t already = i + 1;
        std::optional<uint32_t> most;
        if (facts.max_items) most = *facts.max_items - already;
        const Expression more =
            b_.repeat(b_.sequence({parts_.comma(), item(i)}), std::max(least, already) - already, most);
        edges.push_back({i, i + 1, b_.sequence({next, more})});
        accepting.push_back(i + 1);
    }
    return parts_.brackets(b_.graph(begin + 2, std::move(edges), std::move(accepting)));
}

}  // namespace hone::text
