// Which tokens of a rendered chat the model would have written: those inside of {% generation %} blocks. For training
// on replies only.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace hone::text {

// One byte per token, 1 for those that a span touches, from the token with its first code point to the (first) token
// with its last. `offsets`: [begin, end) of every token in code points of the text, ascending. `spans`:
// Rendered::generation_spans.
std::vector<uint8_t> generation_mask(std::span<const std::pair<uint32_t, uint32_t>> offsets,
                                     std::span<const std::pair<size_t, size_t>> spans);

}  // namespace hone::text
