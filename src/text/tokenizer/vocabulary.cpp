#include "text/tokenizer/vocabulary.h"

#include "text/tokenizer/hash_bytes.h"
#include "text/utf8.h"

namespace hone::text {

// A token's bytes for a message. fmt's debug form may abort where they are not UTF-8.
static std::string quoted(std::string_view token) {
    return fmt::format("{:?}", repair_utf8(token));
}

Status Vocabulary::add(int64_t id, std::string_view token) {
    if (id >= 0 && id < size() && entries_[static_cast<size_t>(id)].present) {
        const std::string_view known = view(static_cast<TokenId>(id));
        if (known == token) return ok();
        return error("id {} is given to {} and to {}", id, quoted(known), quoted(token));
    }
    return replace(id, token);
}

Status Vocabulary::replace(int64_t id, std::string_view token) {
    if (id < 0 || id >= kMaxVocabulary)
        return error("id {} of token {} is outside [0, {})", id, quoted(token), kMaxVocabulary);
    if (bytes_.size() + token.size() > UINT32_MAX) return error("the vocabulary's strings are larger than 4 GiB");
    if (id >= size()) entries_.resize(static_cast<size_t>(id) + 1);
    Entry& entry = entries_[static_cast<size_t>(id)];
    if (entry.present && view(static_cast<TokenId>(id)) == token) return ok();
    count_ += !entry.present;
    entry = {static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(token.size()), true};
    bytes_ += token;
    if (used_slots_ * 2 >= slots_.size()) grow();
    if (find(token)) return ok();
    size_t slot = hash_bytes(token) & (slots_.size() - 1);
    while (slots_[slot] >= 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<TokenId>(id);
    ++used_slots_;
    return ok();
}

std::optional<TokenId> Vocabulary::find(std::string_view token) const {
    if (slots_.empty()) return std::nullopt;
    for (size_t slot = hash_bytes(token) & (slots_.size() - 1); slots_[slot] >= 0;
         slot = (slot + 1) & (slots_.size() - 1)) {
        if (view(slots_[slot]) == token) return slots_[slot];
    }
    return std::nullopt;
}

void Vocabulary::grow() {
    std::vector<TokenId> old(slots_.empty() ? 1024 : slots_.size() * 2, -1);
    old.swap(slots_);
    for (const TokenId id : old) {
        if (id < 0) continue;
        size_t slot = hash_bytes(view(id)) & (slots_.size() - 1);
        while (slots_[slot] >= 0) slot = (slot + 1) & (slots_.size() - 1);
        slots_[slot] = id;
    }
}

}  // namespace hone::text
