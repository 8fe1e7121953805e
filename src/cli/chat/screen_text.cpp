#include "cli/chat/screen_text.h"

#include <fmt/format.h>
#include <unistd.h>

#include "text/utf8.h"

namespace hone::cli {

bool is_on_screen() {
    static const bool kOnScreen = isatty(STDOUT_FILENO);
    return kOnScreen;
}

std::string screen_text(std::string_view valid) {
    std::string out;
    for (size_t at = 0; at < valid.size();) {
        const text::Character character = text::character_at(valid, at);
        const bool is_control = character.code < 0x20 || (character.code >= 0x7F && character.code < 0xA0);
        if (is_control && character.code != '\n' && character.code != '\t')
            out += fmt::format("<{:02X}>", static_cast<uint32_t>(character.code));
        else
            out += valid.substr(at, character.length);
        at += character.length;
    }
    return out;
}

std::string for_stdout(std::string_view valid) {
    return is_on_screen() ? screen_text(valid) : std::string(valid);
}

}  // namespace hone::cli
