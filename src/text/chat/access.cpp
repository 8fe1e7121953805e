#include "text/chat/access.h"

#include <algorithm>
#include <array>

#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/operators.h"
#include "text/chat/python_text.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

// Private attributes that every Python object has; sorted.
constexpr std::string_view kPrivateAttributes[] = {
    "__class__", "__delattr__",      "__dir__",    "__doc__",  "__eq__",          "__format__",
    "__ge__",    "__getattribute__", "__gt__",     "__hash__", "__init__",        "__init_subclass__",
    "__le__",    "__lt__",           "__ne__",     "__new__",  "__reduce__",      "__reduce_ex__",
    "__repr__",  "__setattr__",      "__sizeof__", "__str__",  "__subclasshook__"};

bool is_private_attribute(std::string_view name) {
    return name.starts_with("__") && std::find(std::begin(kPrivateAttributes), std::end(kPrivateAttributes), name) !=
                                         std::end(kPrivateAttributes);
}

const Native* method_of(const Value& object, const MethodsOfName& methods) {
    switch (object.kind()) {
        case Kind::string:
            return methods.of_string;
        case Kind::list:
            return methods.of_list;
        case Kind::tuple:
            return methods.of_tuple;
        case Kind::dict:
            return methods.of_dict;
        case Kind::range:
            return methods.of_range;
        default:
            return nullptr;
    }
}

bool is_changing(const Value& object, const MethodsOfName& methods) {
    return (object.is(Kind::list) && methods.changes_list) || (object.is(Kind::dict) && methods.changes_dict);
}

Value macro_attribute(Rendering& rendering, const Macro& macro, std::string_view name) {
    const MacroSyntax& syntax = *macro.syntax;
    if (name == "name") return syntax.name.empty() ? Value::none() : Value::string(syntax.name);
    if (name == "catch_kwargs") return Value::boolean(syntax.keywords_slot >= 0);
    if (name == "catch_varargs") return Value::boolean(syntax.varargs_slot >= 0);
    if (name == "caller") return Value::boolean(syntax.caller_slot >= 0);
    if (name != "arguments") return Value();
    std::vector<Value> names;
    for (const NameSyntax* parameter : syntax.parameters) names.push_back(Value::string(parameter->name));
    return rendering.tuple(names);
}

Value next_in_cycle(Rendering&, const Value& self, const Arguments&) {
    auto* cycler = self.object<Cycler>();
    Value item = cycler->items[cycler->position];
    cycler->position = (cycler->position + 1) % cycler->items.size();
    return item;
}

Value reset_cycle(Rendering&, const Value& self, const Arguments&) {
    self.object<Cycler>()->position = 0;
    return Value::none();
}

constexpr Native kNextInCycle = {.name = "next", .function = next_in_cycle};
constexpr Native kResetCycle = {.name = "reset", .function = reset_cycle};

Value cycler_attribute(Rendering& rendering, const Value& cycler, std::string_view name) {
    if (name == "next") return bind_method(rendering, cycler, kNextInCycle);
    if (name == "reset") return bind_method(rendering, cycler, kResetCycle);
    if (name == "current") return cycler.object<Cycler>()->items[cycler.object<Cycler>()->position];
    return Value();
}

// What is neither a method nor a key; missing if there is none.
Value plain_attribute(Rendering& rendering, const Value& object, std::string_view name) {
    switch (object.kind()) {
        case Kind::name_space: {
            const Value* value = object.object<Namespace>()->find(name);
            return value ? *value : Value();
        }
        case Kind::loop:
            return loop_attribute(rendering, *object.object<Loop>(), name);
        case Kind::macro:
            return macro_attribute(rendering, *object.object<Macro>(), name);
        case Kind::cycler:
            return cycler_attribute(rendering, object, name);
        case Kind::template_blocks:
            for (const BlockSyntax* block : object.object<const Template>()->blocks)
                if (block->name == name) return Value::object(Kind::block, block);
            return Value();
        case Kind::tuple:
            if (object.is_group() && name == "grouper") return object.items()[0];
            return object.is_group() && name == "list" ? object.items()[1] : Value();
        case Kind::range:
            if (name == "start") return Value::integer(object.range().start);
            if (name == "stop") return Value::integer(object.range().stop);
            return name == "step" ? Value::integer(object.range().step) : Value();
        case Kind::boolean:
        case Kind::integer:
            if (name == "real" || name == "numerator") return Value::integer(object.integer());
            if (name == "imag") return Value::integer(0);
            return name == "denominator" ? Value::integer(1) : Value();
        default:
            return Value();
    }
}

// Methods and attributes; missing if there is none. The unsafe ones are undefined.
Value find_attribute(Rendering& rendering, const Value& object, std::string_view name, const MethodsOfName* methods) {
    if (methods) {
        if (is_changing(object, *methods)) return rendering.unsafe_attribute(object, name);
        if (const Native* native = method_of(object, *methods)) return bind_method(rendering, object, *native);
    }
    if (is_private_attribute(name)) return rendering.unsafe_attribute(object, name);
    if (object.is(Kind::dict) || object.is(Kind::string)) return Value();
    return plain_attribute(rendering, object, name);
}

// A key without a hash is just not there.
Value find_in_dict(Rendering& rendering, const Dict& dict, const Value& key) {
    const Value* value = nullptr;
    if (key.is(Kind::string))
        value = dict.find(key.text());
    else if (key.is(Kind::tuple)) {
        for (const Entry& entry : dict.entries)
            if (equals(rendering, entry.key, key)) value = &entry.value;
    } else if (!key.is(Kind::list) && !key.is(Kind::dict) && !key.is(Kind::view)) {
        value = find_key(rendering, dict, key);
    }
    return value ? *value : Value();
}

// object[key] itself; missing if there is no such element or the object has none at all.
Value find_item(Rendering& rendering, const Value& object, const Value& key) {
    if (object.is(Kind::dict)) return find_in_dict(rendering, object.dict(), key);
    bool is_indexable = object.is(Kind::string) || object.is_sequence() || object.is(Kind::range);
    if (!is_indexable || !key.is_integral()) return Value();
    if (object.is(Kind::string) && !rendering.spend_on_text(object.text().size())) return Value();
    auto size = static_cast<Integer>(*length(object));
    Integer index = key.integer() < 0 ? key.integer() + size : key.integer();
    if (index < 0 || index >= size) return Value();
    auto at = static_cast<size_t>(index);
    if (object.is(Kind::range)) return Value::integer(object.range().at(at));
    if (!object.is(Kind::string)) return object.items()[at];
    size_t offset = byte_offset(object.text(), at);
    return Value::string(object.text().substr(offset, utf8_length(object.text()[offset])), object.is_markup());
}

}  // namespace

Value get_attribute(Rendering& rendering, const Value& object, const Value& name, const MethodsOfName* methods) {
    if (object.is(Kind::undefined))
        return is_private_attribute(name.text()) ? rendering.unsafe_attribute(object, name.text())
                                                 : rendering.fail_undefined(object);
    Value value = find_attribute(rendering, object, name.text(), methods);
    if (value.is(Kind::missing) && object.is(Kind::dict)) {
        const Value* entry = object.dict().find(name.text());
        if (entry) return *entry;
    }
    return value.is(Kind::missing) ? rendering.undefined_attribute(object, name) : value;
}

Value get_item(Rendering& rendering, const Value& object, const Value& key) {
    if (object.is(Kind::undefined)) return rendering.fail_undefined(object);
    Value value = find_item(rendering, object, key);
    if (value.is(Kind::missing) && key.is(Kind::string))
        value = find_attribute(rendering, object, key.text(), find_methods(key.text()));
    return value.is(Kind::missing) ? rendering.undefined_attribute(object, key) : value;
}

namespace {

// The elements start, start + step, ... that a slice takes, `count` of them.
struct SliceRange {
    Integer start, step;
    size_t count;
};

// Python's slice.indices. False if it failed.
bool slice_range(Rendering& rendering, size_t size, const std::array<Value, 3>& bounds, SliceRange& out) {
    for (const Value& bound : bounds)
        if (!is_absent(bound) && !bound.is_integral()) {
            rendering.fail(ErrorClass::type, "slice indices must be integers or None or have an __index__ method");
            return false;
        }
    auto length = static_cast<Integer>(size);
    Integer step = is_absent(bounds[2]) ? 1 : bounds[2].integer();
    if (step == 0) {
        rendering.fail(ErrorClass::value, "slice step cannot be zero");
        return false;
    }
    step = std::clamp<Integer>(step, -length - 1, length + 1);
    Integer lowest = step < 0 ? -1 : 0, highest = step < 0 ? length - 1 : length;
    auto place = [&](const Value& bound, Integer fallback) {
        if (is_absent(bound)) return fallback;
        Integer index = bound.integer();
        if (index < 0) index = index < -length ? lowest : index + length;
        return std::clamp(index, lowest, highest);
    };
    Integer start = place(bounds[0], step < 0 ? highest : lowest);
    Integer stop = place(bounds[1], step < 0 ? lowest : highest);
    Integer distance = step < 0 ? start - stop : stop - start;
    Integer stride = step < 0 ? -step : step;
    out = {start, step, distance <= 0 ? 0 : static_cast<size_t>((distance + stride - 1) / stride)};
    return true;
}

Value slice_text(Rendering& rendering, const Value& object, const SliceRange& range) {
    std::string_view text = object.text();
    if (!rendering.spend_on_text(text.size())) return rendering.nothing();
    if (range.step == 1 || range.count <= 1) {
        size_t from = byte_offset(text, static_cast<size_t>(std::max<Integer>(range.start, 0)));
        std::string_view rest = text.substr(from);
        return Value::string(rest.substr(0, byte_offset(rest, range.count)), object.is_markup());
    }
    std::vector<uint32_t> offsets;  // of every code point
    for (size_t at = 0; at < text.size(); at += utf8_length(text[at])) offsets.push_back(static_cast<uint32_t>(at));
    std::string out;
    for (size_t i = 0; i < range.count; ++i) {
        size_t at = offsets[static_cast<size_t>(range.start + range.step * static_cast<Integer>(i))];
        out += text.substr(at, utf8_length(text[at]));
    }
    return rendering.text(out, object.is_markup());
}

}  // namespace

Value get_slice(Rendering& rendering, const Value& object, const Value& start, const Value& stop, const Value& step) {
    if (object.is(Kind::undefined)) return rendering.fail_undefined(object);
    bool is_sliceable = object.is(Kind::string) || object.is_sequence() || object.is(Kind::range);
    if (object.is(Kind::dict)) return rendering.fail(ErrorClass::type, "unhashable type: 'slice'");
    if (!is_sliceable) return rendering.fail(ErrorClass::type, "'{}' object is not subscriptable", type_name(object));
    SliceRange range;
    if (!slice_range(rendering, *length(object), {start, stop, step}, range)) return rendering.nothing();
    if (object.is(Kind::string)) return slice_text(rendering, object, range);
    auto index = [&](size_t i) { return range.start + range.step * static_cast<Integer>(i); };
    if (object.is(Kind::range)) {
        const Range& whole = object.range();
        Integer first = whole.start + whole.step * range.start, stride = whole.step * range.step;
        Integer end = first + stride * static_cast<Integer>(range.count);
        return Value::range(rendering.heap().make<Range>(Range{first, end, stride, range.count}));
    }
    std::span<const Value> items = object.items();
    if (range.step == 1 && range.count > 0) {
        items = items.subspan(static_cast<size_t>(range.start), range.count);
        return object.is(Kind::list) ? Value::list(items) : Value::tuple(items);
    }
    if (!rendering.admit_values(range.count)) return rendering.nothing();
    std::span<Value> taken = rendering.heap().array<Value>(range.count);
    for (size_t i = 0; i < taken.size(); ++i) taken[i] = items[static_cast<size_t>(index(i))];
    return object.is(Kind::list) ? Value::list(taken) : Value::tuple(taken);
}

AttributePath::AttributePath(Rendering& rendering, const Value& attribute) {
    std::vector<Value> parts;
    if (!is_absent(attribute) && !attribute.is(Kind::string)) parts.push_back(attribute);
    if (attribute.is(Kind::string)) {
        std::string_view rest = attribute.text();
        for (bool is_last = false; !is_last;) {
            size_t dot = rest.find('.');
            is_last = dot == rest.npos;
            std::string_view part = rest.substr(0, dot);
            bool is_number = !part.empty() && part.size() < 19 &&
                             std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
            parts.push_back(is_number ? Value::integer(parse_integer(part)->number) : Value::string(part));
            rest.remove_prefix(is_last ? rest.size() : dot + 1);
        }
    }
    parts_ = rendering.heap().copy(parts);
}

Value AttributePath::get(Rendering& rendering, Value object, const Value& fallback) const {
    for (const Value& part : parts_) {
        if (!rendering.spend()) return rendering.nothing();
        object = get_item(rendering, object, part);
        if (object.is(Kind::undefined) && !is_absent(fallback)) object = fallback;
    }
    return object;
}

}  // namespace hone::text::chat
