// Gives every variable of a parsed template its slot, by the scoping rules of Jinja's compiler (its idtracking module):
// what a block assigns stays in the block, except in `if`; a scope that assigns a name starts with the outer value;
// macros see the variables of the place where they are written. Also finds the mistakes that Jinja finds while
// compiling: unknown filters outside of `if`, two blocks of one name, assignments to `loop`, break outside of a loop.
#pragma once

#include <optional>

#include "text/chat/heap.h"
#include "text/chat/syntax.h"
#include "text/chat/template_error.h"

namespace hone::text::chat {

// Fills in the scopes and variables of the tree. The failure, if there is one.
std::optional<Failure> resolve_names(Template& tree, Heap& heap);

}  // namespace hone::text::chat
