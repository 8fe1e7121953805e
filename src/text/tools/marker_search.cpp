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

}  // namespace hone::text
