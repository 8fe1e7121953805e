// Base64 (RFC 4648, standard alphabet, padding optional). Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hone::text {

// Nothing if a character does not belong there.
std::optional<std::string> decode_base64(std::string_view encoded);

}  // namespace hone::text
