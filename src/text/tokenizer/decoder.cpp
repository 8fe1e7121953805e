#include "text/tokenizer/decoder.h"

#include <algorithm>

#include "base/check.h"

namespace hone::text {

void TokenTable::set(TokenId id, std::string_view bytes) {
    CHECK(id >= 0 && id < kMaxVocabulary, "token {}", id);
    if (static_cast<size_t>(id) >= entries_.size()) entries_.resize(static_cast<size_t>(id) + 1);
    entries_[static_cast<size_t>(id)] = {bytes_.size(), static_cast<uint32_t>(bytes.size()), true};
    bytes_ += bytes;
}

std::optional<std::string_view> TokenTable::find(TokenId id) const {
    if (id < 0 || static_cast<size_t>(id) >= entries_.size()) return std::nullopt;
    const Entry& entry = entries_[static_cast<size_t>(id)];
    if (!entry.present) return std::nullopt;
    return std::string_view(bytes_).substr(entry.begin, entry.length);
}

void Decoder::append(TokenId id, DecodeState& state, std::string& out) const {
    const bool special_first = state.first_token && !first_tokens.empty();
    const auto found = special_first ? first_tokens.find(id) : tokens.find(id);
    if (!found) return;
    state.first_token = false;
    std::string_view bytes = *found;
    if (state.at_start && std::find(verbatim.begin(), verbatim.end(), id) == verbatim.end()) {
        if (drops_per_token) {
            if (bytes.starts_with(' ')) bytes.remove_prefix(1);
        } else {
            while (state.dropped < leading_spaces && bytes.starts_with(' ')) {
                bytes.remove_prefix(1);
                ++state.dropped;
            }
        }
    }
    if (!bytes.empty()) state.at_start = false;
    out += bytes;
    // A token that was nothing but a dropped space still ends the start of a text that drops a fixed number.
    if (!found->empty() && !drops_per_token && state.dropped >= leading_spaces) state.at_start = false;
}

}  // namespace hone::text
