#include "text/tools/dialect.h"

#include <algorithm>

namespace hone::text {

namespace {

constexpr const Dialect* kDialects[] = {&kHarmony, &kKimiK2,     &kDeepSeekV3, &kDeepSeekV31, &kMinimaxM2,
                                        &kMistral, &kQwen3Coder, &kQwen3,      &kLlama3Json,  &kThink};

}  // namespace

std::string MarkerSpelling::operator()(std::string_view marker) const {
    const bool is_token = std::ranges::find(tokens_, marker) != tokens_.end();
    return is_token ? kTokenMark + std::string(marker) : std::string(marker);
}

std::span<const Dialect* const> dialects() {
    return kDialects;
}

const Dialect* dialect_named(std::string_view name) {
    const auto found = std::ranges::find(kDialects, name, &Dialect::name);
    return found == std::end(kDialects) ? nullptr : *found;
}

const Dialect* find_dialect(const ChatTemplate& chat_template) {
    for (const Dialect* dialect : kDialects)
        if (dialect->is_spoken(chat_template)) return dialect;
    return nullptr;
}

}  // namespace hone::text
