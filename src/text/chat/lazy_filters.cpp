// map, select, reject, selectattr and rejectattr: what they return computes its elements when somebody asks for them,
// once.
#include "text/chat/access.h"
#include "text/chat/filters.h"
#include "text/chat/lazy_list.h"
#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

namespace {

// What is done with every element.
struct Plan {
    AttributePath path;
    Value fallback;        // of map(attribute=..., default=...)
    const Native* native;  // filter or test; null: none
    Arguments arguments;
    bool is_rejecting;
    bool checked_source;  // whether the source turned out to be iterable
};

// The filter or test with the name that a template gave as a value; a failure if there is none.
const Native* find_named(Rendering& rendering, const Value& name, bool is_filter) {
    std::string_view kind = is_filter ? "filter" : "test";
    const Native* native = nullptr;
    if (name.is(Kind::string)) native = is_filter ? find_filter(name.text()) : find_test(name.text());
    if (!native) rendering.fail(ErrorClass::runtime, "No {} named {}.", kind, to_repr(rendering, name));
    return native;
}

bool next_source(Rendering& rendering, Iterator& iterator, Value& element) {
    Plan& plan = *static_cast<Plan*>(const_cast<void*>(iterator.plan));
    if (!plan.checked_source) {
        plan.checked_source = true;
        if (!is_true(iterator.source.source)) return false;
        Cursor cursor;
        if (!start(rendering, iterator.source.source, cursor)) return false;
    }
    return iterator.source.next(rendering, element);
}

bool advance_map(Rendering& rendering, Iterator& iterator, Value& out) {
    const Plan& plan = *static_cast<const Plan*>(iterator.plan);
    Deeper level(rendering);
    if (!level.is_allowed()) return false;
    Value element;
    if (!next_source(rendering, iterator, element)) return false;
    out = plan.native ? call_native(rendering, *plan.native, element, plan.arguments)
                      : plan.path.get(rendering, element, plan.fallback);
    return !rendering.failed();
}

bool advance_select(Rendering& rendering, Iterator& iterator, Value& out) {
    const Plan& plan = *static_cast<const Plan*>(iterator.plan);
    Deeper level(rendering);
    if (!level.is_allowed()) return false;
    while (next_source(rendering, iterator, out)) {
        Value tested = plan.path.get(rendering, out);
        if (plan.native) tested = call_native(rendering, *plan.native, tested, plan.arguments);
        if (rendering.failed()) return false;
        if (is_true(tested) != plan.is_rejecting) return true;
    }
    return false;
}

Value map(Rendering& rendering, const Value& self, const Arguments& arguments) {
    Value attribute, fallback, name;
    if (arguments.positional.empty()) {
        for (const Keyword& argument : arguments.keyword) {
            if (argument.name == "attribute")
                attribute = argument.value;
            else if (argument.name == "default")
                fallback = argument.value;
            else
                name = Value::string(argument.name);
        }
        if (attribute.is(Kind::missing))
            return rendering.fail(ErrorClass::filter_argument, "map requires a filter argument");
        if (!name.is(Kind::missing))
            return rendering.fail(ErrorClass::filter_argument, "Unexpected keyword argument {}",
                                  python_quoted(name.text()));
    }
    auto* plan =
        rendering.heap().make<Plan>(Plan{AttributePath(rendering, attribute), fallback, nullptr, {}, false, false});
    if (attribute.is(Kind::missing)) {
        plan->native = find_named(rendering, arguments.positional[0], true);
        plan->arguments = keep_arguments(rendering, arguments, 1);
    }
    return rendering.iterator(advance_map, self, "generator", plan);
}

Value choose(Rendering& rendering, const Value& self, const Arguments& arguments, bool by_attribute,
             bool is_rejecting) {
    size_t name_at = by_attribute ? 1 : 0;
    if (by_attribute && arguments.positional.empty())
        return rendering.fail(ErrorClass::filter_argument, "Missing parameter for attribute name");
    Value attribute = by_attribute ? arguments.positional[0] : Value();
    auto* plan = rendering.heap().make<Plan>(
        Plan{AttributePath(rendering, attribute), Value(), nullptr, {}, is_rejecting, false});
    if (arguments.positional.size() > name_at) {
        plan->native = find_named(rendering, arguments.positional[name_at], false);
        plan->arguments = keep_arguments(rendering, arguments, name_at + 1);
    }
    return rendering.iterator(advance_select, self, "generator", plan);
}

template <bool by_attribute, bool is_rejecting>
Value select(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return choose(rendering, self, arguments, by_attribute, is_rejecting);
}

constexpr Native kFilters[] = {
    {"map", {}, 0, map, true},
    {"reject", {}, 0, select<false, true>, true},
    {"rejectattr", {}, 0, select<true, true>, true},
    {"select", {}, 0, select<false, false>, true},
    {"selectattr", {}, 0, select<true, false>, true},
};

}  // namespace

std::span<const Native> lazy_filters() {
    return kFilters;
}

}  // namespace hone::text::chat
