// Methods of list, tuple, dict and range, and the table of all methods by name.
#include <algorithm>
#include <unordered_map>

#include "text/chat/method_table.h"
#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/operators.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

namespace {

Value index(Rendering& rendering, const Value& self, const Arguments& arguments) {
    auto size = static_cast<Integer>(*length(self));
    auto place = [&](const Value& bound, Integer fallback) {
        Integer at = integer_argument(rendering, bound, fallback);
        return std::clamp<Integer>(at < 0 ? at + size : at, 0, size);
    };
    Integer first = place(arguments.positional[1], 0), last = place(arguments.positional[2], size);
    Cursor cursor{self, static_cast<size_t>(first)};
    Value element;
    for (Integer at = first; at < last && cursor.next(rendering, element); ++at)
        if (equals(rendering, element, arguments.positional[0])) return Value::integer(at);
    std::string shown = to_repr(rendering, arguments.positional[0]);
    return rendering.fail(ErrorClass::value, "{} is not in {}", shown, type_name(self));
}

Value count(Rendering& rendering, const Value& self, const Arguments& arguments) {
    Integer times = 0;
    Cursor cursor{self};
    Value element;
    while (cursor.next(rendering, element)) times += equals(rendering, element, arguments.positional[0]);
    return Value::integer(times);
}

Value copy(Rendering&, const Value& self, const Arguments&) {
    return self;  // nothing can change the original
}

Value get(Rendering& rendering, const Value& self, const Arguments& arguments) {
    const Value& key = arguments.positional[0];
    const Value* value = key.is(Kind::string) ? self.dict().find(key.text()) : find_key(rendering, self.dict(), key);
    if (value) return *value;
    return is_given(arguments.positional[1]) ? arguments.positional[1] : Value::none();
}

template <DictView::Part part>
Value view(Rendering& rendering, const Value& self, const Arguments&) {
    return Value::object(Kind::view, rendering.heap().make<DictView>(DictView{part, &self.dict()}));
}

constexpr Native kListMethods[] = {
    {"copy", {}, 0, copy}, {"count", {"value"}, 1, count}, {"index", {"value", "start", "stop"}, 1, index}};
constexpr Native kRangeMethods[] = {{"count", {"value"}, 1, count}, {"index", {"value", "start", "stop"}, 1, index}};
constexpr Native kDictMethods[] = {
    {"copy", {}, 0, copy},
    {"get", {"key", "default"}, 1, get},
    {"items", {}, 0, view<DictView::Part::items>},
    {"keys", {}, 0, view<DictView::Part::keys>},
    {"values", {}, 0, view<DictView::Part::values>},
};

constexpr std::string_view kListChanges[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
constexpr std::string_view kDictChanges[] = {"clear", "pop", "popitem", "setdefault", "update"};

using MethodTable = std::unordered_map<std::string_view, MethodsOfName>;

MethodTable make_table() {
    MethodTable table;
    for (std::span<const Native> methods : {string_search_methods(), string_shape_methods(), string_class_methods()})
        for (const Native& method : methods) table[method.name].of_string = &method;
    for (const Native& method : kListMethods) table[method.name].of_list = &method;
    for (const Native& method : kRangeMethods) table[method.name].of_tuple = table[method.name].of_range = &method;
    for (const Native& method : kDictMethods) table[method.name].of_dict = &method;
    for (std::string_view name : kListChanges) table[name].changes_list = true;
    for (std::string_view name : kDictChanges) table[name].changes_dict = true;
    return table;
}

}  // namespace

const MethodsOfName* find_methods(std::string_view name) {
    static const MethodTable table = make_table();
    auto entry = table.find(name);
    return entry == table.end() ? nullptr : &entry->second;
}

}  // namespace hone::text::chat
