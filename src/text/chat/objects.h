// The objects that only a running template makes: activations of its functions, macros, loops. They live in the
// rendering's heap, so a macro may outlive the scope it was written in.
#pragma once

#include <optional>
#include <string>

#include "text/chat/rendering.h"
#include "text/chat/syntax.h"

namespace hone::text::chat {

// The variables of one call of a function (template, macro, call block, recursive loop, block).
struct Activation {
    std::span<Value> slots;
    Activation* outer = nullptr;

    Value& at(Variable variable) {
        Activation* activation = this;
        for (uint16_t i = 0; i < variable.hops; ++i) activation = activation->outer;
        return activation->slots[variable.slot];
    }
};

struct Macro {
    const MacroSyntax* syntax;
    Activation* closure;
    bool autoescape;  // where it is written
};

// The variable `loop`.
struct Loop {
    const LoopSyntax* syntax;
    Activation* outer;  // what a recursive call starts from
    Cursor cursor;
    size_t depth0 = 0;
    Integer index0 = -1;
    Value before = Value(), current = Value(), after = Value();  // missing: not there, not fetched
    Value last_changed = Value();
    std::optional<size_t> known_length = {};

    // Moves to the next element; false at the end.
    bool next(Rendering& rendering);
    // Whether there is a next element, which becomes `after`.
    bool peek(Rendering& rendering);
    size_t length(Rendering& rendering);
};

// loop.NAME; missing if a loop has no such attribute.
Value loop_attribute(Rendering& rendering, Loop& loop, std::string_view name);

// repr of an object without a literal form, such as <Macro 'name'>.
std::string object_text(Rendering& rendering, const Value& value);

// Starts a walk over the value; a TypeError if it is not iterable.
bool start(Rendering& rendering, const Value& iterable, Cursor& cursor);
// All elements of an iterable.
std::vector<Value> elements(Rendering& rendering, const Value& iterable);

}  // namespace hone::text::chat
