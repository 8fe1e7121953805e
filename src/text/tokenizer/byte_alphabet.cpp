#include "text/tokenizer/byte_alphabet.h"

#include <array>

#include "text/utf8.h"

namespace hone::text {

namespace {

constexpr char32_t kCharacters = 0x144;  // 256 + 68

struct Alphabet {
    std::array<char32_t, 256> character{};
    std::array<int16_t, kCharacters> byte{};
};

constexpr Alphabet make_alphabet() {
    Alphabet alphabet;
    alphabet.byte.fill(-1);
    char32_t next = 256;
    for (char32_t b = 0; b < 256; ++b) {
        const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        alphabet.character[b] = printable ? b : next++;
        alphabet.byte[alphabet.character[b]] = static_cast<int16_t>(b);
    }
    return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::optional<std::string> bytes_of_alphabet(std::string_view token) {
    std::string bytes;
    for (size_t i = 0; i < token.size();) {
        const Character c = character_at(token, i);
        if (c.code >= kCharacters || kAlphabet.byte[c.code] < 0) return std::nullopt;
        bytes += static_cast<char>(kAlphabet.byte[c.code]);
        i += c.length;
    }
    return bytes;
}

char32_t alphabet_character(unsigned char byte) {
    return kAlphabet.character[byte];
}

}  // namespace hone::text
