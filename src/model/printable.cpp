#include "model/printable.h"

#include <fmt/format.h>

namespace hone::model {

std::string printable(std::string_view text) {
    std::string shown;
    for (size_t i = 0; i < text.size(); i++) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
        if (byte < 0x20 || byte == 0x7f) {
            shown += fmt::format("\\x{:02x}", byte);
        } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {  // U+0080..U+009F
            shown += fmt::format("\\x{:02x}", next);
            i++;
        } else {
            shown += text[i];
        }
    }
    return shown;
}

std::string in_quotes(std::string_view name) {
    constexpr size_t kShown = 160;
    if (name.size() <= kShown) return fmt::format("'{}'", printable(name));
    return fmt::format("'{}...' ({} bytes)", printable(name.substr(0, kShown)), name.size());
}

}  // namespace hone::model
