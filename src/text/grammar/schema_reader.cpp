#include "text/grammar/schema_reader.h"

#include <algorithm>

namespace hone::text {

namespace json = boost::json;

// Steps of the budget, which bound the memory of what is found too: a kilobyte, and what is copied.
constexpr size_t kExpansionWork = 400, kFactsWork = 100, kEntryWork = 20, kValueWork = 4;

void SchemaReader::explain_contradiction(const SchemaAt& at, const Facts& facts) const {
    if (b_.explains_empty()) return;
    const std::string found = contradiction(facts);
    if (!found.empty())
        b_.explain_empty(hone::error("schema: {}: {}; no value satisfies the schema", at.pointer, found));
}

Result<SchemaAt> SchemaReader::target_of(const SchemaAt& at) const {
    const json::value* reference = find_keyword(at, "$ref");
    if (!reference->is_string()) return refuse_keyword(at, "$ref", "is not a string");
    const std::string_view text = reference->get_string();
    if (text != "#" && !text.starts_with("#/")) {
        return refuse_keyword(
            at, "$ref",
            fmt::format("'{}' is not supported: only references inside the document, as #/$defs/name", text));
    }
    std::string pointer;
    for (size_t i = 1; i < text.size(); i++) {
        if (text[i] != '%' || i + 2 >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[i + 1])) ||
            !std::isxdigit(static_cast<unsigned char>(text[i + 2]))) {
            pointer += text[i];
        } else {
            pointer += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        }
    }
    boost::system::error_code code;
    const json::value* target = root_.find_pointer(pointer, code);
    if (!target) return refuse_keyword(at, "$ref", fmt::format("'{}' does not lead to a schema", text));
    return SchemaAt{target, "#" + pointer};
}

Result<SchemaAt> SchemaReader::resolved(SchemaAt at) const {
    for (size_t steps = 0; steps < kDeepestExpansion && at.schema->is_object(); steps++) {
        const bool is_reference =
            find_keyword(at, "$ref") && std::ranges::all_of(at.schema->get_object(), [](const auto& member) {
                return member.key() == "$ref" || member.key() == "description" || member.key() == "title" ||
                       member.key() == "default";
            });
        if (!is_reference) return at;
        auto target = target_of(at);
        if (!target) return target.error();
        at = *target;
    }
    return at;
}

// What copying takes.
static size_t weight(const Facts& facts) {
    size_t sum = kFactsWork + (facts.values ? facts.values->size() * kValueWork : 0) + facts.values_at.size();
    for (const SchemaAt& pattern : facts.patterns) sum += pattern.pointer.size();
    return sum + kEntryWork * (facts.patterns.size() + facts.formats.size() + facts.required.size() +
                               facts.objects.size() + facts.arrays.size());
}

static Error too_many(const SchemaAt& at) {
    return hone::error("{}: more than {} combinations of anyOf and oneOf", at.pointer, SchemaReader::kMostAlternatives);
}

Result<SchemaReader::Alternatives> SchemaReader::conjunction(const Alternatives& a, const Alternatives& b,
                                                             const SchemaAt& at) const {
    if (a.size() * b.size() > kMostAlternatives) {
        return too_many(at);
    }
    Alternatives result;
    for (const Facts& first : a) {
        for (const Facts& second : b) {
            if (!b_.work(weight(first) + weight(second))) return b_.failure();
            Facts both = first;
            const bool is_possible = merge(both, second);
            explain_contradiction(at, both);
            if (is_possible) result.push_back(std::move(both));
        }
    }
    return result;
}

Result<SchemaReader::Alternatives> SchemaReader::expand(const SchemaAt& at, size_t depth) {
    if (depth > kDeepestExpansion) {
        return hone::error("{}: the schema refers to itself without an object or array between", at.pointer);
    }
    if (!b_.work(kExpansionWork)) return b_.failure();
    if (at.schema->is_bool()) return at.schema->get_bool() ? Alternatives{Facts{}} : Alternatives{};
    if (!at.schema->is_object()) return hone::error("{}: a schema is an object, true or false", at.pointer);
    auto own = keywords_.read(at);
    if (!own) return own.error();
    explain_contradiction(at, *own);
    Alternatives result;
    if (own->types != 0) result.push_back(std::move(*own));
    const auto restrict_to = [&](const Result<Alternatives>& others) -> Status {
        if (!others) return others.error();
        auto both = conjunction(result, *others, at);
        if (!both) return both.error();
        result = std::move(*both);
        return ok();
    };
    if (find_keyword(at, "$ref")) {
        const auto target = target_of(at);
        if (!target) return target.error();
        if (const Status status = restrict_to(expand(*target, depth + 1)); !status) return status.error();
    }
    for (const std::string_view keyword : {"allOf", "anyOf", "oneOf"}) {
        const json::value* schemas = find_keyword(at, keyword);
        if (!schemas) continue;
        if (!schemas->is_array() || schemas->get_array().empty()) {
            return refuse_keyword(at, keyword, "is not an array of schemas");
        }
        Alternatives any;
        for (size_t i = 0; i < schemas->get_array().size(); i++) {
            auto part =
                expand(keywords_.child(at, fmt::format("{}/{}", keyword, i), schemas->get_array()[i]), depth + 1);
            if (!part) return part.error();
            if (keyword == "allOf") {
                if (const Status status = restrict_to(part); !status) return status.error();
            } else {
                if (any.size() + part->size() > kMostAlternatives) return too_many(at);
                any.insert(any.end(), part->begin(), part->end());
            }
        }
        if (keyword == "allOf") continue;
        if (const Status status = restrict_to(any); !status) return status.error();
    }
    return result;
}

Result<std::vector<Facts>> SchemaReader::alternatives(const SchemaSet& schemas) {
    Alternatives result = {Facts{}};
    for (const SchemaAt& at : schemas) {
        const auto expanded = expand(at, 0);
        if (!expanded) return expanded.error();
        auto both = conjunction(result, *expanded, at);
        if (!both) return both.error();
        result = std::move(*both);
    }
    return result;
}

}  // namespace hone::text
