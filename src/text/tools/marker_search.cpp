#include "text/tools/marker_search.h"

#include <bitset>

namespace hone::text {

FoundMarker find_marker(std::string_view text, std::span<const std::string> markers) {
    std::bitset<256> firsts;
    for (const std::string& marker : markers) firsts.set(static_cast<unsigned char>(marker[0]));
    for (size_t at = 0; at < text.size(); ++at) {
        if (!firsts[static_cast<unsigned char>(text[at])]) continue;
        const std::string_view rest = text.substr(at);
        bool begins = false;
        for (const std::string& marker : markers) {
            if (rest.starts_with(marker)) return {at, &marker};
            begins |= could_become(rest, marker);
        }
        if (begins) return {at, nullptr};
    }
    return {text.size(), nullptr};
}

std::string_view trimmed(std::string_view text) {
    text.remove_prefix(skip_blanks(text, 0));
    return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

}  // namespace hone::text
