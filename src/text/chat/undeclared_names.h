// Two questions about the names in a piece of a syntax tree, nested scopes included, that decide which special
// variables it has.
#pragma once

#include <string_view>

#include "text/chat/syntax.h"

namespace hone::text::chat {

// Whether `name` is read before anything, in reading order, gives it a value. Blocks are not looked into.
bool reads_undeclared(Body body, std::string_view name);

// Whether the loop's target or anything in the loop assigns `name`.
bool assigns_name(const LoopSyntax& loop, std::string_view name);

}  // namespace hone::text::chat
