#include "text/tokenizer/charsmap.h"

#include <cstring>

#include "text/utf8.h"

namespace hone::text {

namespace {

// The fields of a Darts unit.
bool has_leaf(uint32_t unit) {
    return unit >> 8 & 1;
}
uint32_t value_of(uint32_t unit) {
    return unit & 0x7FFFFFFF;
}
uint32_t label_of(uint32_t unit) {
    return unit & 0x800000FF;
}
uint32_t offset_of(uint32_t unit) {
    return (unit >> 10) << ((unit & 0x200) >> 6);
}

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view blob) {
    Charsmap map;
    if (blob.empty()) return map;
    uint32_t bytes = 0;
    if (blob.size() < sizeof(bytes)) return error("character map of {} bytes is too short", blob.size());
    std::memcpy(&bytes, blob.data(), sizeof(bytes));
    blob.remove_prefix(sizeof(bytes));
    if (bytes == 0 || bytes % 4 != 0 || bytes > blob.size()) {
        return error("character map announces an array of {} bytes, {} are there", bytes, blob.size());
    }
    map.units_.resize(bytes / 4);
    std::memcpy(map.units_.data(), blob.data(), bytes);
    map.replacements_ = blob.substr(bytes);
    if (!is_valid_utf8(map.replacements_)) return error("the character map's replacements are not UTF-8");
    return map;
}

std::optional<Charsmap::Found> Charsmap::walk(std::string_view text, bool stop_at_first) const {
    if (units_.empty()) return std::nullopt;
    std::optional<Found> found;
    uint32_t node = offset_of(units_[0]);
    for (size_t i = 0; i < text.size() && text[i] != 0; ++i) {
        node ^= static_cast<unsigned char>(text[i]);
        if (node >= units_.size() || label_of(units_[node]) != static_cast<unsigned char>(text[i])) break;
        const uint32_t unit = units_[node];
        node ^= offset_of(unit);
        if (!has_leaf(unit)) continue;
        if (node >= units_.size() || value_of(units_[node]) >= replacements_.size()) break;
        const std::string_view rest = std::string_view(replacements_).substr(value_of(units_[node]));
        if (is_continuation(rest[0])) break;
        found = Found{i + 1, rest.substr(0, rest.find('\0'))};
        if (stop_at_first) break;
    }
    return found;
}

}  // namespace hone::text
