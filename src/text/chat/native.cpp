#include "text/chat/native.h"

#include <algorithm>

#include "text/chat/python_text.h"

namespace hone::text::chat {

Value call_native(Rendering& rendering, const Native& native, const Value& self, const Arguments& arguments) {
    if (!rendering.spend()) return rendering.nothing();
    if (native.is_variadic) return native.function(rendering, self, arguments);
    Value bound[Native::kMostParameters];
    size_t count = 0;
    while (count < native.parameters.size() && !native.parameters[count].empty()) ++count;
    if (arguments.positional.size() > count)
        return rendering.fail(ErrorClass::type, "{}() takes at most {} arguments ({} given)", native.name, count,
                              arguments.positional.size());
    std::copy(arguments.positional.begin(), arguments.positional.end(), bound);
    for (const Keyword& argument : arguments.keyword) {
        size_t at = std::find(native.parameters.begin(), native.parameters.begin() + count, argument.name) -
                    native.parameters.begin();
        if (at == count)
            return rendering.fail(ErrorClass::type, "{}() got an unexpected keyword argument {}", native.name,
                                  python_quoted(argument.name));
        if (is_given(bound[at]))
            return rendering.fail(ErrorClass::type, "{}() got multiple values for argument {}", native.name,
                                  python_quoted(argument.name));
        bound[at] = argument.value;
    }
    for (size_t i = 0; i < native.required; ++i)
        if (!is_given(bound[i]))
            return rendering.fail(ErrorClass::type, "{}() missing 1 required positional argument: {}", native.name,
                                  python_quoted(native.parameters[i]));
    return native.function(rendering, self, {.positional = {bound, count}});
}

Value bind_method(Rendering& rendering, const Value& self, const Native& native) {
    return Value::object(Kind::method, rendering.heap().make<BoundMethod>(BoundMethod{self, &native}));
}

Integer integer_argument(Rendering& rendering, const Value& argument, Integer fallback) {
    if (argument.is_integral()) return argument.integer();
    if (argument.is(Kind::undefined))
        rendering.fail_undefined(argument);
    else if (is_given(argument))
        rendering.fail(ErrorClass::type, "'{}' object cannot be interpreted as an integer", type_name(argument));
    return fallback;
}

bool truth_argument(const Value& argument, bool fallback) {
    return is_given(argument) ? is_true(argument) : fallback;
}

std::string_view text_argument(Rendering& rendering, const Value& argument, std::string_view fallback) {
    if (argument.is(Kind::string)) return argument.text();
    if (is_given(argument)) rendering.fail(ErrorClass::type, "must be str, not {}", type_name(argument));
    return fallback;
}

}  // namespace hone::text::chat
