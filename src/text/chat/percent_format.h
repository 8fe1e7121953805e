// The two ways to fill values into a text: '...' % values and '...'.format(values).
#pragma once

#include "text/chat/rendering.h"

namespace hone::text::chat {

// format % values: a tuple's elements, a mapping's values by name, or one value.
Value percent_format(Rendering& rendering, const Value& format, const Value& values);

// format.format(*positional, **keyword), replacement fields as in Python; attributes of values go through the sandbox.
Value brace_format(Rendering& rendering, const Value& format, const Arguments& arguments);

// repr() with everything outside ASCII escaped.
std::string ascii_repr(Rendering& rendering, const Value& value);

}  // namespace hone::text::chat
