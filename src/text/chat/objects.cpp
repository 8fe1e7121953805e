#include "text/chat/objects.h"

#include "text/chat/native.h"
#include "text/chat/operators.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

bool Loop::next(Rendering& rendering) {
    Value element;
    if (!after.is(Kind::missing)) {
        element = after;
        after = Value();
    } else if (!cursor.next(rendering, element)) {
        return false;
    }
    ++index0;
    before = current;
    current = element;
    return true;
}

bool Loop::peek(Rendering& rendering) {
    if (!after.is(Kind::missing)) return true;
    return cursor.next(rendering, after);
}

size_t Loop::length(Rendering& rendering) {
    if (known_length) return *known_length;
    known_length = chat::length(cursor.source);
    if (!known_length) {
        std::vector<Value> rest = elements(rendering, cursor.source);
        known_length = rest.size() + static_cast<size_t>(index0 + 1) + (after.is(Kind::missing) ? 0 : 1);
        cursor = Cursor{rendering.list(rest)};
    }
    return *known_length;
}

namespace {

Value cycle(Rendering& rendering, const Value& self, const Arguments& arguments) {
    if (arguments.positional.empty()) return rendering.fail(ErrorClass::type, "no items for cycling given");
    auto index = static_cast<size_t>(self.object<Loop>()->index0);
    return arguments.positional[index % arguments.positional.size()];
}

Value changed(Rendering& rendering, const Value& self, const Arguments& arguments) {
    auto* loop = self.object<Loop>();
    std::vector<Value> values(arguments.positional.begin(), arguments.positional.end());
    Value now = rendering.tuple(values);
    if (loop->last_changed.is(Kind::tuple) && equals(rendering, loop->last_changed, now)) return Value::boolean(false);
    loop->last_changed = now;
    return Value::boolean(true);
}

constexpr Native kCycle = {.name = "cycle", .parameters = {}, .function = cycle, .is_variadic = true};
constexpr Native kChanged = {.name = "changed", .parameters = {}, .function = changed, .is_variadic = true};

}  // namespace

Value loop_attribute(Rendering& rendering, Loop& loop, std::string_view name) {
    auto size = [&] { return static_cast<Integer>(loop.length(rendering)); };
    if (name == "index") return Value::integer(loop.index0 + 1);
    if (name == "index0") return Value::integer(loop.index0);
    if (name == "first") return Value::boolean(loop.index0 == 0);
    if (name == "last") return Value::boolean(!loop.peek(rendering));
    if (name == "length") return Value::integer(size());
    if (name == "revindex") return Value::integer(size() - loop.index0);
    if (name == "revindex0") return Value::integer(size() - loop.index0 - 1);
    if (name == "depth") return Value::integer(static_cast<Integer>(loop.depth0) + 1);
    if (name == "depth0") return Value::integer(static_cast<Integer>(loop.depth0));
    if (name == "previtem")
        return loop.index0 == 0 ? rendering.undefined_hint("there is no previous item") : loop.before;
    if (name == "nextitem")
        return loop.peek(rendering) ? loop.after : rendering.undefined_hint("there is no next item");
    if (name == "cycle") return bind_method(rendering, Value::object(Kind::loop, &loop), kCycle);
    if (name == "changed") return bind_method(rendering, Value::object(Kind::loop, &loop), kChanged);
    return Value();
}

std::string object_text(Rendering& rendering, const Value& value) {
    switch (value.kind()) {
        case Kind::macro: {
            std::string_view name = value.object<Macro>()->syntax->name;
            return name.empty() ? "<Macro anonymous>" : fmt::format("<Macro {}>", python_quoted(name));
        }
        case Kind::loop: {
            auto* loop = value.object<Loop>();
            return fmt::format("<LoopContext {}/{}>", integer_text(loop->index0 + 1), loop->length(rendering));
        }
        case Kind::method: {
            auto* method = value.object<BoundMethod>();
            return fmt::format("<built-in method {} of {} object>", method->native->name, type_name(method->self));
        }
        case Kind::function:
            return fmt::format("<function {}>", value.object<const Native>()->name);
        default:
            return fmt::format("<{} object>", type_name(value));
    }
}

}  // namespace hone::text::chat
