// The functions that every template may call: range, dict, namespace, cycler, joiner, and transformers' raise_exception
// and strftime_now. Constant; any thread.
#pragma once

#include <string_view>

#include "text/chat/value.h"

namespace hone::text::chat {

// Missing if there is none of this name.
Value find_global(std::string_view name);

}  // namespace hone::text::chat
