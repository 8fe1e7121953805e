// Calling what is written here from a template: giving arguments to parameters, as Python does.
#pragma once

#include "text/chat/rendering.h"

namespace hone::text::chat {

// native(self, arguments) after binding the arguments to the parameters; a TypeError if they do not fit.
Value call_native(Rendering& rendering, const Native& native, const Value& self, const Arguments& arguments);

// self.native, to be called later.
Value bind_method(Rendering& rendering, const Value& self, const Native& native);

// How natives read their arguments. Each fails with a TypeError for another type; `fallback` stands for an argument not
// given.
Integer integer_argument(Rendering& rendering, const Value& argument, Integer fallback);
bool truth_argument(const Value& argument, bool fallback);
std::string_view text_argument(Rendering& rendering, const Value& argument, std::string_view fallback);

inline bool is_given(const Value& argument) {
    return !argument.is(Kind::missing);
}
// Not given, or none.
inline bool is_absent(const Value& argument) {
    return argument.is(Kind::missing) || argument.is(Kind::none);
}

}  // namespace hone::text::chat
