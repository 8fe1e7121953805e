// The operators of expressions, with Python's rules for every pair of types and Python's words where they do not fit.
// All may fail into the rendering. Integers leave 127 bits with an OverflowError.
#pragma once

#include <cstdint>

#include "text/chat/rendering.h"

namespace hone::text::chat {

enum class BinaryOperator : uint8_t { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class Comparison : uint8_t { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

Value apply(Rendering& rendering, BinaryOperator op, const Value& left, const Value& right);
Value negate(Rendering& rendering, const Value& operand);
Value plus(Rendering& rendering, const Value& operand);

// One link of a chained comparison.
bool compare(Rendering& rendering, Comparison op, const Value& left, const Value& right);
bool equals(Rendering& rendering, const Value& left, const Value& right);
bool less(Rendering& rendering, const Value& left, const Value& right);
bool contains(Rendering& rendering, const Value& container, const Value& element);

// dict[key]: nullptr if absent or, as a TypeError, if the key has no hash.
const Value* find_key(Rendering& rendering, const Dict& dict, const Value& key);
// False, with a TypeError, for lists, dictionaries and what contains them.
bool hash(Rendering& rendering, const Value& value, uint64_t& out);

// The number as a double; integers round.
double as_real(const Value& number);

}  // namespace hone::text::chat
