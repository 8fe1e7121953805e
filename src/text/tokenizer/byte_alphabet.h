// The byte-level alphabet of GPT-2: every byte has a printable character, so that a vocabulary of byte strings can be
// written as text. Printable Latin-1 stands for itself, the other 68 bytes for U+0100 onwards. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hone::text {

// The bytes that `token` stands for, or nothing if it has a character outside the alphabet.
std::optional<std::string> bytes_of_alphabet(std::string_view token);

// The character of a byte.
char32_t alphabet_character(unsigned char byte);

}  // namespace hone::text
