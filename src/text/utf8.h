// UTF-8 in and out. Text from outside is repaired (repair_utf8) or refused (is_valid_utf8) once; everything behind it may
// rely on valid UTF-8. Repair makes one U+FFFD of each maximal invalid part, as the WHATWG decoder does. Pure functions,
// any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hone::text {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;
inline constexpr std::string_view kReplacementBytes = "\xEF\xBF\xBD";

// Bytes of the character that starts with `lead`, in valid UTF-8.
inline size_t utf8_length(unsigned char lead) {
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

inline bool is_continuation(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

struct Character {
    char32_t code = 0;
    uint32_t length = 0;  // bytes
};

// The character at `position` of valid UTF-8; position < text.size().
inline Character character_at(std::string_view text, size_t position) {
    const auto* p = reinterpret_cast<const unsigned char*>(text.data()) + position;
    if (p[0] < 0x80) return {p[0], 1};
    if (p[0] < 0xE0) return {char32_t(p[0] & 0x1F) << 6 | char32_t(p[1] & 0x3F), 2};
    if (p[0] < 0xF0) return {char32_t(p[0] & 0x0F) << 12 | char32_t(p[1] & 0x3F) << 6 | char32_t(p[2] & 0x3F), 3};
    return {
        char32_t(p[0] & 0x07) << 18 | char32_t(p[1] & 0x3F) << 12 | char32_t(p[2] & 0x3F) << 6 | char32_t(p[3] & 0x3F),
        4};
}

// The character that ends just before `position` of valid UTF-8; position > 0.
inline Character character_before(std::string_view text, size_t position) {
    size_t start = position - 1;
    while (start > 0 && is_continuation(text[start])) --start;
    return character_at(text, start);
}

// The same two for walking over a text: `position` moves behind the character, or to its start.
inline char32_t next_code_point(std::string_view text, size_t& position) {
    const Character character = character_at(text, position);
    position += character.length;
    return character.code;
}
inline char32_t previous_code_point(std::string_view text, size_t& position) {
    const Character character = character_before(text, position);
    position -= character.length;
    return character.code;
}

void append_utf8(std::string& out, char32_t code);
size_t count_code_points(std::string_view valid);
bool is_ascii(std::string_view text);
bool is_valid_utf8(std::string_view bytes);

// Appends `bytes` to `out` with every maximal invalid part replaced by U+FFFD, and returns how many bytes at the end
// were left out because they are the beginning of a character that may still come (0 to 3). The beginning of a
// surrogate (ED A0 to ED BF) is left out too, although it cannot become valid: so does Python's incremental decoder,
// the oracle.
size_t append_repaired(std::string& out, std::string_view bytes);

// Appends what the bytes that append_repaired() left out become when no more follow.
void append_unfinished(std::string& out, std::string_view rest);

// The whole of `bytes`: an unfinished character at the end is invalid too.
std::string repair_utf8(std::string_view bytes);

}  // namespace hone::text
