// object.name, object[key] and object[a:b:c], as the sandbox of the reference environment looks things up: `.` prefers
// methods and attributes to keys, `[]` the other way round, what is missing is undefined, what is private or would
// change an object is unsafe.
#pragma once

#include "text/chat/method_table.h"
#include "text/chat/rendering.h"

namespace hone::text::chat {

// `methods` are those of the name, null if no type has any.
Value get_attribute(Rendering& rendering, const Value& object, const Value& name, const MethodsOfName* methods);
Value get_item(Rendering& rendering, const Value& object, const Value& key);
// Bounds are missing or none where they are left out.
Value get_slice(Rendering& rendering, const Value& object, const Value& start, const Value& stop, const Value& step);

// The path of map(attribute="a.b.0") and its like: names and numbers.
class AttributePath {
  public:
    // From a string, an integer, or nothing (the element itself).
    AttributePath(Rendering& rendering, const Value& attribute);
    // `fallback` stands for what is undefined on the way; missing: nothing does.
    Value get(Rendering& rendering, Value object, const Value& fallback = Value()) const;

  private:
    std::span<const Value> parts_;
};

}  // namespace hone::text::chat
