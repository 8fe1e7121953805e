// Filters that compare elements with each other: sort, dictsort, unique, groupby, min, max.
#include <algorithm>

#include "text/chat/access.h"
#include "text/chat/filters.h"
#include "text/chat/lazy_list.h"
#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/operators.h"
#include "text/chat/python_text.h"
#include "text/chat/sorting.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

// Strings in lower case unless case matters, other values as they are.
Value comparable(Rendering& rendering, const Value& value, bool is_case_sensitive) {
    if (is_case_sensitive || !value.is(Kind::string)) return value;
    if (!rendering.admit_text(3 * value.text().size())) return rendering.nothing();
    return rendering.text(to_lower(value.text()));
}

Value dict_sort(Rendering& rendering, const Value& self, const Arguments& arguments) {
    bool is_case_sensitive = truth_argument(arguments.positional[0], false);
    std::string_view by = text_argument(rendering, arguments.positional[1], "key");
    if (by != "key" && by != "value")
        return rendering.fail(ErrorClass::filter_argument, "You can only sort by either \"key\" or \"value\"");
    if (self.is(Kind::undefined)) return rendering.fail_undefined(self);
    if (!self.is(Kind::dict))
        return rendering.fail(ErrorClass::attribute, "'{}' object has no attribute 'items'", type_name(self));
    std::vector<Entry> entries(self.dict().entries.begin(), self.dict().entries.end());
    auto key = [&](const Entry& entry) {
        return comparable(rendering, by == "key" ? entry.key : entry.value, is_case_sensitive);
    };
    if (!sort_by(rendering, entries, key, truth_argument(arguments.positional[2], false))) return rendering.nothing();
    std::vector<Value> pairs;
    for (const Entry& entry : entries) pairs.push_back(rendering.tuple({entry.key, entry.value}));
    return rendering.list(pairs);
}

Value sort(Rendering& rendering, const Value& self, const Arguments& arguments) {
    bool is_case_sensitive = truth_argument(arguments.positional[1], false);
    std::vector<AttributePath> paths;
    const Value& attribute = arguments.positional[2];
    if (attribute.is(Kind::string))
        for (std::string_view rest = attribute.text();;) {
            size_t comma = rest.find(',');
            paths.emplace_back(rendering, Value::string(rest.substr(0, comma)));
            if (comma == rest.npos) break;
            rest.remove_prefix(comma + 1);
        }
    else
        paths.emplace_back(rendering, attribute);
    auto key = [&](const Value& element) {
        std::vector<Value> keys;
        for (const AttributePath& path : paths)
            keys.push_back(comparable(rendering, path.get(rendering, element), is_case_sensitive));
        return rendering.list(keys);
    };
    std::vector<Value> all = elements(rendering, self);
    if (!sort_by(rendering, all, key, truth_argument(arguments.positional[0], false))) return rendering.nothing();
    return rendering.list(all);
}

Value unique_elements(Rendering& rendering, const Value& self, const Arguments& arguments) {
    bool is_case_sensitive = truth_argument(arguments.positional[0], false);
    AttributePath path(rendering, arguments.positional[1]);
    std::vector<Entry> entries;  // from comparable to the first element that has it
    for (const Value& element : elements(rendering, self))
        entries.push_back({comparable(rendering, path.get(rendering, element), is_case_sensitive), element});
    // Of equal keys a dictionary keeps the first place and the last value: insert from the end, then read the places.
    std::vector<Entry> backwards(entries.rbegin(), entries.rend());
    Value last_seen = rendering.dict(entries), first_seen = rendering.dict(backwards);
    if (rendering.failed()) return rendering.nothing();
    std::vector<Value> kept;
    for (const Entry& entry : last_seen.dict().entries) {
        const Value* first = find_key(rendering, first_seen.dict(), entry.key);
        kept.push_back(first ? *first : entry.value);
    }
    return rendering.list(kept);
}
Value unique(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return lazy_list(rendering, unique_elements, self, arguments);
}

Value group_by(Rendering& rendering, const Value& self, const Arguments& arguments) {
    AttributePath path(rendering, arguments.positional[0]);
    const Value& fallback = arguments.positional[1];
    bool is_case_sensitive = truth_argument(arguments.positional[2], false);
    auto key = [&](const Value& element) {
        return comparable(rendering, path.get(rendering, element, fallback), is_case_sensitive);
    };
    std::vector<Value> all = elements(rendering, self), groups;
    if (!sort_by(rendering, all, key)) return rendering.nothing();
    for (size_t from = 0; from < all.size() && !rendering.failed();) {
        Value group_key = key(all[from]);
        size_t to = from + 1;
        while (to < all.size() && equals(rendering, key(all[to]), group_key)) ++to;
        std::span<Value> pair = rendering.heap().array<Value>(2);
        pair[0] = path.get(rendering, all[from], fallback);
        pair[1] = rendering.list({all.begin() + from, all.begin() + to});
        groups.push_back(Value::group(pair));
        from = to;
    }
    return rendering.list(groups);
}

Value extreme(Rendering& rendering, const Value& self, const Arguments& arguments, bool is_greatest) {
    bool is_case_sensitive = truth_argument(arguments.positional[0], false);
    AttributePath path(rendering, arguments.positional[1]);
    Cursor cursor;
    Value element, best, best_key;
    if (!start(rendering, self, cursor)) return rendering.nothing();
    while (cursor.next(rendering, element)) {
        Value key = comparable(rendering, path.get(rendering, element), is_case_sensitive);
        bool is_better =
            best.is(Kind::missing) || (is_greatest ? less(rendering, best_key, key) : less(rendering, key, best_key));
        if (!is_better) continue;
        best = element;
        best_key = key;
    }
    return best.is(Kind::missing) ? rendering.undefined_hint("No aggregated item, sequence was empty.") : best;
}
Value least(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return extreme(rendering, self, arguments, false);
}
Value greatest(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return extreme(rendering, self, arguments, true);
}

constexpr Native kFilters[] = {
    {"dictsort", {"case_sensitive", "by", "reverse"}, 0, dict_sort},
    {"groupby", {"attribute", "default", "case_sensitive"}, 1, group_by},
    {"max", {"case_sensitive", "attribute"}, 0, greatest},
    {"min", {"case_sensitive", "attribute"}, 0, least},
    {"sort", {"reverse", "case_sensitive", "attribute"}, 0, sort},
    {"unique", {"case_sensitive", "attribute"}, 0, unique},
};

}  // namespace

std::span<const Native> order_filters() {
    return kFilters;
}

}  // namespace hone::text::chat
