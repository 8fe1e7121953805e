// Every method a template may call on a value, by name and type; also the names that the immutable sandbox forbids.
// Constant tables; any thread.
#pragma once

#include <string_view>

#include "text/chat/value.h"

namespace hone::text::chat {

// The methods of one name: those of the types that have it, null for the others.
struct MethodsOfName {
    const Native* of_string = nullptr;
    const Native* of_list = nullptr;
    const Native* of_tuple = nullptr;
    const Native* of_dict = nullptr;
    const Native* of_range = nullptr;
    bool changes_list = false;  // would change the object: a SecurityError when used
    bool changes_dict = false;
};

// Null if no type has a method of this name.
const MethodsOfName* find_methods(std::string_view name);

// The methods of str, by the files that implement them.
std::span<const Native> string_search_methods();
std::span<const Native> string_shape_methods();
std::span<const Native> string_class_methods();

}  // namespace hone::text::chat
