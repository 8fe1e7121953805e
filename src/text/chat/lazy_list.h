// Filters whose result is a generator in Jinja, but whose elements are better computed together: nothing happens, no
// failure either, before somebody asks for the first element.
#pragma once

#include "text/chat/rendering.h"

namespace hone::text::chat {

using Compute = Value (*)(Rendering&, const Value& self, const Arguments&);

// An iterator over what compute(self, arguments), a list or view, returns then.
Value lazy_list(Rendering& rendering, Compute compute, const Value& self, const Arguments& arguments);

// A copy of the arguments behind the first `skipped`, in the rendering's heap, for those who need them later.
Arguments keep_arguments(Rendering& rendering, const Arguments& arguments, size_t skipped = 0);

}  // namespace hone::text::chat
