// Looking for markers in a text of which the end is not known yet. Pure functions on bytes; any thread.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/stripped.h"

namespace hone::text {

// What has to be understood as a whole (a name in its tag, blanks between two markers) is not longer; what is, is no
// call.
inline constexpr size_t kLongestHead = 1024;

struct FoundMarker {
    size_t at = 0;  // where it begins, or where what may become one does; the end of the text: nowhere
    const std::string* marker = nullptr;  // null: none is there as a whole
};

// The first place where one of the markers is or, at the end of the text, begins.
FoundMarker find_marker(std::string_view text, std::span<const std::string> markers);

// Whether `rest`, the end of the text, is a proper beginning of the marker (nothing is one).
inline bool could_become(std::string_view rest, std::string_view marker) {
    return rest.size() < marker.size() && marker.starts_with(rest);
}

// The place of the first byte from `at` on that is not blank.
inline size_t skip_blanks(std::string_view text, size_t at) {
    return std::min(text.find_first_not_of(kBlanks, at), text.size());
}

}  // namespace hone::text
