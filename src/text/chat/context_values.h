// The caller's JSON as template values. Strings stay where they are: the JSON must outlive the rendering.
#pragma once

#include <boost/json/fwd.hpp>

#include "text/chat/rendering.h"

namespace hone::text::chat {

// Fails for text that is not UTF-8 and for JSON that is nested too deeply.
Value from_json(Rendering& rendering, const boost::json::value& json);

}  // namespace hone::text::chat
