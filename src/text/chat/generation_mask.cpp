#include "text/chat/generation_mask.h"

#include <algorithm>

namespace hone::text {

std::vector<uint8_t> generation_mask(std::span<const std::pair<uint32_t, uint32_t>> offsets,
                                     std::span<const std::pair<size_t, size_t>> spans) {
    std::vector<uint8_t> mask(offsets.size(), 0);
    // The first token that ends behind the code point: the one that holds it, or the next one where none does.
    auto token_at = [&](size_t code_point) {
        auto ends_before = [code_point](const std::pair<uint32_t, uint32_t>& token) {
            return token.second <= code_point;
        };
        return static_cast<size_t>(std::partition_point(offsets.begin(), offsets.end(), ends_before) - offsets.begin());
    };
    for (const auto& [begin, end] : spans) {
        if (begin >= end) continue;
        size_t last = token_at(end - 1);
        bool holds_last = last < offsets.size() && offsets[last].first < end;
        std::fill(mask.begin() + static_cast<std::ptrdiff_t>(token_at(begin)),
                  mask.begin() + static_cast<std::ptrdiff_t>(std::max(token_at(begin), last + (holds_last ? 1 : 0))),
                  uint8_t{1});
    }
    return mask;
}

}  // namespace hone::text
