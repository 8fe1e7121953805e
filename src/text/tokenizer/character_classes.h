// Which classes of characters the published tokenizer patterns speak of, as one bit mask per code point. The table is
// built from ICU on first use and immutable afterwards; any thread may read.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace hone::text {

// Bits of a class mask. The names are those of the patterns: \p{L}, \p{N}, ...
enum CharacterClass : uint16_t {
    kLetter = 1 << 0,
    kNumber = 1 << 1,
    kMark = 1 << 2,
    kPunctuation = 1 << 3,
    kSymbol = 1 << 4,
    kSpace = 1 << 5,    // White_Space, which is \s of Oniguruma and Rust (PCRE2's has U+180E as well)
    kNewline = 1 << 6,  // \r and \n
    kUpper = 1 << 7,    // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
    kLower = 1 << 8,    // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
    kHan = 1 << 9,      // Script=Han
    kAsciiLetter = 1 << 10,
    kAsciiPunctuation = 1 << 11,
};

class CharacterClasses {
  public:
    static const CharacterClasses& table();

    uint16_t operator[](char32_t code) const {
        if (code < 128) return ascii_[code];
        return code < 0x110000 ? blocks_[(size_t{index_[code >> 8]} << 8) + (code & 0xFF)] : 0;
    }
    uint16_t ascii(unsigned char byte) const { return ascii_[byte]; }

  private:
    CharacterClasses();

    std::array<uint16_t, 128> ascii_{};
    std::array<uint16_t, 0x1100> index_{};  // block of each 256 code points; equal blocks are stored once
    std::vector<uint16_t> blocks_;
};

inline bool is_white_space(char32_t code) {
    return CharacterClasses::table()[code] & kSpace;
}

bool is_word_character(char32_t code);     // \w of Rust: Alphabetic, M, Nd, Pc, Join_Control
bool is_numeric(char32_t code);            // N
bool is_combining_mark(char32_t code);     // M of Unicode 9, as the normaliser StripAccents has it
bool is_chinese_character(char32_t code);  // the blocks that BERT's normaliser separates
// Classes that BERT's components and Punctuation take from Unicode 8.
bool is_bert_punctuation(char32_t code);  // P, and the symbols of ASCII
bool is_bert_other(char32_t code);        // Cc, Cf, Cs, Co
bool is_bert_accent(char32_t code);       // Mn
void append_lower_case(std::u32string& out,
                       char32_t code);  // full mapping without context: U+0130 gives two characters

}  // namespace hone::text
