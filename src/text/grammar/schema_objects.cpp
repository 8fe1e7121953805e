// Objects: which members there may be, in which order, and how often.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "text/grammar/schema_compiler.h"

namespace hone::text {

constexpr size_t kMemberWork = 100;

std::vector<std::string> SchemaCompiler::names_of(const Facts& facts) const {
    std::vector<std::string> names;
    std::unordered_set<std::string_view> known;
    const auto add = [&](const std::string& name) {
        b_.work(name.size());
        if (known.insert(name).second) names.push_back(name);
    };
    for (const auto& object : facts.objects) {
        for (const auto& [name, schema] : object->properties) add(name);
    }
    for (const std::string& name : facts.required) add(name);
    return names;
}

static bool allows_nothing(const SchemaSet& schemas) {
    return std::ranges::any_of(schemas, [](const SchemaAt& at) { return *at.schema == false; });
}

std::vector<SchemaCompiler::Member> SchemaCompiler::listed_members(const Facts& facts,
                                                                   const std::vector<std::string>& names) {
    std::vector<Member> members(names.size());
    std::unordered_set<std::string_view> required(facts.required.begin(), facts.required.end());
    for (size_t i = 0; i < names.size() && b_.work(names[i].size()); i++) {
        members[i].key = parts_.quoted(parts_.content(names[i]));
        members[i].required = required.contains(names[i]);
    }
    for (const auto& object : facts.objects) {
        if (b_.failed()) break;
        add_members(*object, names, members);
    }
    for (size_t i = 0; i < names.size() && !b_.explains_empty(); i++) {
        if (!members[i].required || !allows_nothing(members[i].schemas)) continue;
        b_.explain_empty(
            error("schema: {}: required: no member '{}' is allowed; no value satisfies the schema", place_, names[i]));
    }
    return members;
}

// What one schema says about the members of these names.
void SchemaCompiler::add_members(const ObjectFacts& object, const std::vector<std::string>& names,
                                 std::vector<Member>& members) {
    std::unordered_map<std::string_view, size_t> index;
    for (size_t i = 0; i < names.size(); i++) index.emplace(names[i], i);
    std::vector<bool> is_named(names.size());
    const auto add = [&](size_t i, const SchemaAt& schema) {
        if (b_.work(kMemberWork + schema.pointer.size())) members[i].schemas.push_back(schema);
    };
    for (const auto& [name, schema] : object.properties) {
        add(index.at(name), schema);
        is_named[index.at(name)] = true;
    }
    for (const auto& [text, schema] : object.patterns) {
        const auto language = add_regular_expression(b_, text, RegexScope::kPart);
        if (!language) return b_.fail(language.error().within(schema.pointer));
        const std::vector<bool> matching = b_.matches(*language, names);
        for (size_t i = 0; i < names.size(); i++) {
            if (!matching[i]) continue;
            add(i, schema);
            is_named[i] = true;
        }
    }
    for (size_t i = 0; i < names.size() && object.additional; i++) {
        if (!is_named[i]) add(i, *object.additional);
    }
}

// The kinds of names that are not listed: one for every set of patterns that a name may match.
std::vector<SchemaCompiler::Member> SchemaCompiler::other_members(const Facts& facts,
                                                                  const std::vector<std::string>& names) {
    std::vector<std::string> patterns;
    for (const auto& object : facts.objects) {
        for (const auto& [text, schema] : object->patterns) {
            if (std::ranges::find(patterns, text) == patterns.end()) patterns.push_back(text);
            if (patterns.size() <= kMostPatterns) continue;
            fail(error("patternProperties: more than {} patterns in one object are not supported", kMostPatterns));
            return {};
        }
    }
    std::vector<Expression> listed;
    for (const std::string& name : names) listed.push_back(parts_.content(name));
    std::vector<Member> members;
    for (uint32_t matched = 0; matched < uint32_t{1} << patterns.size(); matched++) {
        const auto matches = [&](const std::string& text) {
            return matched >> (std::ranges::find(patterns, text) - patterns.begin()) & 1;
        };
        Member member;
        for (const auto& object : facts.objects) {
            bool is_named = false;
            for (const auto& [text, schema] : object->patterns) {
                if (!matches(text)) continue;
                member.schemas.push_back(schema);
                is_named = true;
            }
            if (!is_named && object->additional) member.schemas.push_back(*object->additional);
        }
        if (allows_nothing(member.schemas)) continue;
        Expression name = parts_.any_content();
        if (!listed.empty()) name = b_.without(name, b_.choice(listed));
        for (const std::string& text : patterns) {
            const Expression language = pattern(text, RegexScope::kPart, place_ + ": patternProperties");
            name = matches(text) ? b_.both(name, language) : b_.without(name, language);
        }
        if (b_.failed()) return {};
        if (!patterns.empty() && b_.is_empty(name)) continue;
        const bool is_free = listed.empty() && patterns.empty();
        member.key = is_free ? parts_.string() : b_.as_rule("name", parts_.quoted(name));
        members.push_back(std::move(member));
    }
    return members;
}

// Members up to which their number matters.
static uint32_t most_counted(const Facts& facts) {
    return std::max<uint32_t>(facts.max_properties.value_or(facts.min_properties), 1);
}

Expression SchemaCompiler::of_object(const Facts& facts) {
    if (facts.objects.empty() && facts.required.empty() && facts.min_properties == 0 && !facts.max_properties) {
        return parts_.object();
    }
    const std::vector<std::string> names = names_of(facts);
    const uint32_t top = most_counted(facts);
    if (b_.failed()) return b_.nothing();
    if (uint64_t{top} + 1 > kMostStates / (names.size() + 1)) {
        const bool counts = top > 1;
        fail(error("{}: {} names, counted up to {}, are too many",
                   counts ? "minProperties, maxProperties" : "properties", names.size(), top));
        return b_.nothing();
    }
    const std::vector<Member> listed = listed_members(facts, names);
    const std::vector<Member> others = other_members(facts, names);
    return b_.failed() ? b_.nothing() : parts_.braces(of_members(facts, listed, others));
}

// State (i, n): members before i are done with, n are written (as far as the number matters).
Expression SchemaCompiler::of_members(const Facts& facts, const std::vector<Member>& listed,
                                      const std::vector<Member>& others) {
    const uint32_t least = facts.min_properties;
    if (facts.max_properties && *facts.max_properties < least) return b_.nothing();
    const uint32_t top = most_counted(facts);
    const auto rows = static_cast<uint32_t>(listed.size() + 1);
    const auto state = [&](uint32_t row, uint32_t count) { return row * (top + 1) + count; };
    std::vector<GrammarBuilder::Edge> edges;
    const auto add = [&](const Member& member, uint32_t from_row, uint32_t to_row) {
        const Expression value = member.schemas.empty() ? parts_.value() : value_of(member.schemas);
        const Expression written = b_.sequence({member.key, parts_.colon(), value, parts_.space()});
        const Expression further = b_.sequence({parts_.comma(), written});
        for (uint32_t count = 0; count <= top; count++) {
            if (facts.max_properties && count >= *facts.max_properties) break;
            edges.push_back(
                {state(from_row, count), state(to_row, std::min(count + 1, top)), count ? further : written});
        }
    };
    for (uint32_t row = 0; row < listed.size() && !b_.failed(); row++) {
        add(listed[row], row, row + 1);
        if (listed[row].required) continue;
        for (uint32_t count = 0; count <= top; count++) {
            edges.push_back({state(row, count), state(row + 1, count), b_.empty()});
        }
    }
    for (const Member& member : others) add(member, rows - 1, rows - 1);
    std::vector<uint32_t> accepting;
    for (uint32_t count = least; count <= top; count++) accepting.push_back(state(rows - 1, count));
    return b_.graph(rows * (top + 1), std::move(edges), std::move(accepting));
}

}  // namespace hone::text
