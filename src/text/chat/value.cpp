#include "text/chat/value.h"

#include <functional>

#include "text/chat/objects.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

uint64_t hash_text(std::string_view text) {
    return std::hash<std::string_view>()(text);
}

const Value* Dict::find(std::string_view key) const {
    auto is_key = [key](const Entry& entry) { return entry.key.is(Kind::string) && entry.key.text() == key; };
    if (index.empty()) {
        for (const Entry& entry : entries)
            if (is_key(entry)) return &entry.value;
        return nullptr;
    }
    size_t mask = index.size() - 1;
    for (size_t slot = hash_text(key) & mask; index[slot] != 0; slot = (slot + 1) & mask) {
        const Entry& entry = entries.data()[index[slot] - 1];
        if (is_key(entry)) return &entry.value;
    }
    return nullptr;
}

Value* Namespace::find(std::string_view name) {
    for (Entry& entry : entries.first(size))
        if (entry.key.is(Kind::string) && entry.key.text() == name) return &entry.value;
    return nullptr;
}

void Namespace::set(Heap& heap, Value name, Value value) {
    if (Value* present = find(name.text())) {
        *present = value;
        return;
    }
    if (size == entries.size()) {
        std::span<Entry> larger = heap.array<Entry>(2 * size + 4);
        std::copy(entries.begin(), entries.end(), larger.begin());
        entries = larger;
    }
    entries[size++] = {name, value};
}

std::string_view type_name(const Value& value) {
    switch (value.kind()) {
        case Kind::missing:
        case Kind::undefined:
            return "Undefined";
        case Kind::none:
            return "NoneType";
        case Kind::boolean:
            return "bool";
        case Kind::integer:
            return "int";
        case Kind::real:
            return "float";
        case Kind::string:
            return value.is_markup() ? "Markup" : "str";
        case Kind::list:
            return "list";
        case Kind::tuple:
            return "tuple";
        case Kind::dict:
            return "dict";
        case Kind::range:
            return "range";
        case Kind::view: {
            DictView::Part part = value.object<DictView>()->part;
            return part == DictView::Part::keys     ? "dict_keys"
                   : part == DictView::Part::values ? "dict_values"
                                                    : "dict_items";
        }
        case Kind::iterator:
            return value.object<Iterator>()->type_name;
        case Kind::name_space:
            return "namespace";
        case Kind::macro:
            return "Macro";
        case Kind::loop:
            return "LoopContext";
        case Kind::method:
            return "builtin_function_or_method";
        case Kind::function:
            return "function";
        case Kind::cycler:
            return "Cycler";
        case Kind::joiner:
            return "Joiner";
        case Kind::template_blocks:
            return "TemplateReference";
        case Kind::block:
            return "BlockReference";
    }
    return "object";
}

std::optional<size_t> length(const Value& value) {
    switch (value.kind()) {
        case Kind::undefined:
            return 0;
        case Kind::string:
            return count_code_points(value.text());
        case Kind::list:
        case Kind::tuple:
            return value.items().size();
        case Kind::dict:
            return value.dict().entries.size();
        case Kind::range:
            return value.range().size;
        case Kind::view:
            return value.object<DictView>()->dict->entries.size();
        default:
            return {};
    }
}

bool is_true(const Value& value) {
    switch (value.kind()) {
        case Kind::missing:
        case Kind::undefined:
        case Kind::none:
            return false;
        case Kind::boolean:
        case Kind::integer:
            return value.integer() != 0;
        case Kind::real:
            return value.real() != 0;
        case Kind::string:
            return !value.text().empty();
        default:
            return length(value).value_or(1) != 0;
    }
}

namespace {

Value view_element(Rendering& rendering, const DictView& view, const Entry& entry) {
    if (view.part == DictView::Part::keys) return entry.key;
    if (view.part == DictView::Part::values) return entry.value;
    std::span<Value> pair = rendering.heap().array<Value>(2);
    pair[0] = entry.key;
    pair[1] = entry.value;
    return Value::tuple(pair);
}

}  // namespace

bool Cursor::next(Rendering& rendering, Value& out) {
    if (!rendering.spend()) return false;
    size_t size = 0;
    switch (source.kind()) {
        case Kind::list:
        case Kind::tuple:
            size = source.items().size();
            if (position < size) out = source.items()[position];
            break;
        case Kind::string: {
            if (position >= source.text().size()) return false;
            size_t bytes = utf8_length(source.text()[position]);
            out = Value::string(source.text().substr(position, bytes));  // of markup too
            position += bytes;
            return true;
        }
        case Kind::dict:
            size = source.dict().entries.size();
            if (position < size) out = source.dict().entries[position].key;
            break;
        case Kind::view: {
            const auto* view = source.object<DictView>();
            size = view->dict->entries.size();
            if (position < size) out = view_element(rendering, *view, view->dict->entries[position]);
            break;
        }
        case Kind::range:
            size = source.range().size;
            if (position < size) out = Value::integer(source.range().at(position));
            break;
        case Kind::iterator: {
            auto* iterator = source.object<Iterator>();
            return iterator->advance(rendering, *iterator, out) && !rendering.failed();
        }
        default:
            return false;
    }
    return position++ < size;
}

bool start(Rendering& rendering, const Value& iterable, Cursor& cursor) {
    switch (iterable.kind()) {
        case Kind::undefined:
        case Kind::string:
        case Kind::list:
        case Kind::tuple:
        case Kind::dict:
        case Kind::view:
        case Kind::range:
        case Kind::iterator:
            cursor = Cursor{iterable};
            return !rendering.failed();
        default:
            rendering.fail(ErrorClass::type, "'{}' object is not iterable", type_name(iterable));
            return false;
    }
}

std::vector<Value> elements(Rendering& rendering, const Value& iterable) {
    std::vector<Value> out;
    Cursor cursor;
    Value element;
    if (!start(rendering, iterable, cursor)) return out;
    while (cursor.next(rendering, element)) {
        if (!rendering.admit_values(out.size() / 1024 + 1)) break;
        out.push_back(element);
    }
    return out;
}

}  // namespace hone::text::chat
