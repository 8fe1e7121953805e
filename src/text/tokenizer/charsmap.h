// The precompiled character map of SentencePiece: a Darts double array from byte strings to replacements.
//
//   offset 0      uint32, little endian: bytes of the array, a multiple of 4
//   offset 4      the array's units, uint32 each
//   then          the replacements, each ended by a zero byte; the array's values are offsets into this part
//
// Everything is checked when it is used: a malformed map finds nothing, it never reads outside. Immutable, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hone::text {

class Charsmap {
  public:
    struct Found {
        size_t length = 0;  // bytes of the text that are replaced
        std::string_view replacement;
    };

    Charsmap() = default;  // maps nothing
    static Result<Charsmap> parse(std::string_view blob);

    bool empty() const { return units_.empty(); }
    std::optional<Found> shortest_prefix(std::string_view text) const { return walk(text, true); }
    std::optional<Found> longest_prefix(std::string_view text) const { return walk(text, false); }

  private:
    std::optional<Found> walk(std::string_view text, bool stop_at_first) const;

    std::vector<uint32_t> units_;
    std::string replacements_;
};

}  // namespace hone::text
