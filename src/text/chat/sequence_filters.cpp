// Filters over sequences that look at every element as it comes: length, first, last, list, sum, batch and so on;
// default and attr.
#include <array>

#include "text/chat/access.h"
#include "text/chat/filters.h"
#include "text/chat/lazy_list.h"
#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/operators.h"
#include "text/chat/python_text.h"
#include "text/chat/sorting.h"
#include "text/utf8.h"

namespace hone::text::chat {

namespace {

Value length_filter(Rendering& rendering, const Value& self, const Arguments&) {
    if (self.is(Kind::loop)) return Value::integer(static_cast<Integer>(self.object<Loop>()->length(rendering)));
    if (self.is(Kind::string) && !rendering.spend_on_text(self.text().size())) return rendering.nothing();
    std::optional<size_t> size = length(self);
    if (!size) return rendering.fail(ErrorClass::type, "object of type '{}' has no len()", type_name(self));
    return Value::integer(static_cast<Integer>(*size));
}

Value default_filter(Rendering&, const Value& self, const Arguments& arguments) {
    bool replaces_false = truth_argument(arguments.positional[1], false);
    bool is_replaced = self.is(Kind::undefined) || (replaces_false && !is_true(self));
    if (!is_replaced) return self;
    return is_given(arguments.positional[0]) ? arguments.positional[0] : Value::string("");
}

Value first(Rendering& rendering, const Value& self, const Arguments&) {
    Cursor cursor;
    Value element;
    if (!start(rendering, self, cursor)) return rendering.nothing();
    return cursor.next(rendering, element) ? element : rendering.undefined_hint("No first item, sequence was empty.");
}

Value last(Rendering& rendering, const Value& self, const Arguments&) {
    bool is_reversible = self.is(Kind::string) || self.is_sequence() || self.is(Kind::dict) || self.is(Kind::view) ||
                         self.is(Kind::range) || self.is(Kind::undefined);
    if (self.is(Kind::none) || self.is_number() || !is_reversible)
        return rendering.fail(ErrorClass::type, "'{}' object is not reversible", type_name(self));
    size_t size = *length(self);
    if (size == 0) return rendering.undefined_hint("No last item, sequence was empty.");
    if (self.is(Kind::string)) return get_item(rendering, self, Value::integer(-1));
    Cursor cursor{self, size - 1};
    Value element;
    cursor.next(rendering, element);
    return element;
}

Value list(Rendering& rendering, const Value& self, const Arguments&) {
    if (self.is(Kind::list)) return self;
    return rendering.list(elements(rendering, self));
}

bool advance_items(Rendering& rendering, Iterator& iterator, Value& out) {
    return iterator.source.next(rendering, out);
}

Value items_of(Rendering& rendering, const Value& self, const Arguments&) {
    if (self.is(Kind::undefined)) return rendering.list({});
    if (!self.is(Kind::dict)) return rendering.fail(ErrorClass::type, "Can only get item pairs from a mapping.");
    return Value::object(Kind::view, rendering.heap().make<DictView>(DictView{DictView::Part::items, &self.dict()}));
}
Value items(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return lazy_list(rendering, items_of, self, arguments);
}

Value reverse(Rendering& rendering, const Value& self, const Arguments&) {
    if (self.is(Kind::string)) return get_slice(rendering, self, Value(), Value(), Value::integer(-1));
    Cursor cursor;
    if (self.is(Kind::none) || self.is_number() || !start(rendering, self, cursor))
        return rendering.fail(ErrorClass::filter_argument, "argument must be iterable");
    std::vector<Value> all = elements(rendering, self);
    Value reversed = rendering.list({all.rbegin(), all.rend()});
    return rendering.iterator(advance_items, reversed, "list_reverseiterator");
}

Value sum(Rendering& rendering, const Value& self, const Arguments& arguments) {
    AttributePath path(rendering, arguments.positional[0]);
    Value total = is_given(arguments.positional[1]) ? arguments.positional[1] : Value::integer(0);
    if (total.is(Kind::string))
        return rendering.fail(ErrorClass::type, "sum() can't sum strings [use ''.join(seq) instead]");
    Cursor cursor;
    Value element;
    if (!start(rendering, self, cursor)) return rendering.nothing();
    while (cursor.next(rendering, element))
        total = apply(rendering, BinaryOperator::add, total, path.get(rendering, element));
    return total;
}

Value attribute(Rendering& rendering, const Value& self, const Arguments& arguments) {
    std::string_view name = text_argument(rendering, arguments.positional[0], "");
    if (rendering.failed()) return rendering.nothing();
    // Attributes only: a dictionary's keys are none.
    if (self.is(Kind::dict) && !find_methods(name) && !name.starts_with("__"))
        return rendering.undefined_attribute(self, arguments.positional[0]);
    return get_attribute(rendering, self, arguments.positional[0], find_methods(name));
}

Value batches(Rendering& rendering, const Value& self, const Arguments& arguments) {
    Integer size = integer_argument(rendering, arguments.positional[0], 1);
    const Value& filling = arguments.positional[1];
    std::vector<Value> rows, row;
    for (const Value& element : elements(rendering, self)) {
        if (static_cast<Integer>(row.size()) == size) {
            rows.push_back(rendering.list(row));
            row.clear();
        }
        row.push_back(element);
    }
    if (!row.empty() && !is_absent(filling)) {
        if (size > 0 && !rendering.admit_values(static_cast<size_t>(std::min<Integer>(size, Integer{1} << 40))))
            return rendering.nothing();
        while (static_cast<Integer>(row.size()) < size) row.push_back(filling);
    }
    if (!row.empty()) rows.push_back(rendering.list(row));
    return rendering.list(rows);
}
Value batch(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return lazy_list(rendering, batches, self, arguments);
}

Value slices_of(Rendering& rendering, const Value& self, const Arguments& arguments) {
    Integer count = integer_argument(rendering, arguments.positional[0], 1);
    if (count == 0) return rendering.fail(ErrorClass::zero_division, "integer division or modulo by zero");
    if (count < 0) return rendering.list({});
    std::vector<Value> all = elements(rendering, self), slices;
    if (!rendering.admit_values(static_cast<size_t>(std::min<Integer>(count, Integer{1} << 40))))
        return rendering.nothing();
    auto slice_count = static_cast<size_t>(count);
    size_t per_slice = all.size() / slice_count, with_extra = all.size() % slice_count, from = 0;
    for (size_t i = 0; i < slice_count && rendering.spend(); ++i) {
        size_t size = per_slice + (i < with_extra ? 1 : 0);
        std::vector<Value> piece(all.begin() + from, all.begin() + from + size);
        from += size;
        if (!is_absent(arguments.positional[1]) && i >= with_extra) piece.push_back(arguments.positional[1]);
        slices.push_back(rendering.list(piece));
    }
    return rendering.list(slices);
}
Value slice(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return lazy_list(rendering, slices_of, self, arguments);
}

// The value with the entries of all its dicts sorted by key, where keys can be compared.
Value with_sorted_keys(Rendering& rendering, const Value& value) {
    Deeper level(rendering);
    if (!level.is_allowed()) return rendering.nothing();
    if (value.is(Kind::dict)) {
        std::vector<Entry> entries;
        for (const Entry& entry : value.dict().entries)
            entries.push_back({entry.key, with_sorted_keys(rendering, entry.value)});
        bool is_sorted = sort_by(rendering, entries, [](const Entry& entry) { return entry.key; });
        return is_sorted ? rendering.dict(entries) : rendering.nothing();
    }
    if (!value.is(Kind::list) && !value.is(Kind::tuple)) return value;
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(with_sorted_keys(rendering, item));
    return value.is(Kind::list) ? rendering.list(items) : rendering.tuple(items);
}

Value pretty_print(Rendering& rendering, const Value& self, const Arguments&) {
    constexpr size_t kWidth = 80;
    std::string shown = to_repr(rendering, with_sorted_keys(rendering, self));
    if (count_code_points(shown) > kWidth)
        return rendering.fail(ErrorClass::value, "pprint of more than {} characters is not supported", kWidth);
    return rendering.text(shown);
}

constexpr Native kFilters[] = {
    {"attr", {"name"}, 1, attribute},
    {"batch", {"linecount", "fill_with"}, 1, batch},
    {"count", {}, 0, length_filter},
    {"d", {"default_value", "boolean"}, 0, default_filter},
    {"default", {"default_value", "boolean"}, 0, default_filter},
    {"first", {}, 0, first},
    {"items", {}, 0, items},
    {"last", {}, 0, last},
    {"length", {}, 0, length_filter},
    {"list", {}, 0, list},
    {"pprint", {}, 0, pretty_print},
    {"reverse", {}, 0, reverse},
    {"slice", {"slices", "fill_with"}, 1, slice},
    {"sum", {"attribute", "start"}, 0, sum},
};

}  // namespace

std::span<const Native> sequence_filters() {
    return kFilters;
}

}  // namespace hone::text::chat
