#include "text/tokenizer/character_classes.h"

#include <map>

#include <unicode/uchar.h>
#include <unicode/uscript.h>

namespace hone::text {

namespace {

constexpr char32_t kCodePoints = 0x110000;

uint16_t class_of(char32_t code) {
    const auto point = static_cast<UChar32>(code);
    const uint32_t category = U_GET_GC_MASK(point);
    uint16_t mask = 0;
    if (category & U_GC_L_MASK) mask |= kLetter;
    if (category & U_GC_N_MASK) mask |= kNumber;
    if (category & U_GC_M_MASK) mask |= kMark;
    if (category & U_GC_P_MASK) mask |= kPunctuation;
    if (category & U_GC_S_MASK) mask |= kSymbol;
    if (category & (U_GC_LU_MASK | U_GC_LT_MASK | U_GC_LM_MASK | U_GC_LO_MASK | U_GC_M_MASK)) mask |= kUpper;
    if (category & (U_GC_LL_MASK | U_GC_LM_MASK | U_GC_LO_MASK | U_GC_M_MASK)) mask |= kLower;
    if (u_isUWhiteSpace(point)) mask |= kSpace;
    if (code == '\r' || code == '\n') mask |= kNewline;
    if (code < 128 && (mask & kLetter)) mask |= kAsciiLetter;
    if (code < 128 && (mask & (kPunctuation | kSymbol))) mask |= kAsciiPunctuation;
    UErrorCode status = U_ZERO_ERROR;
    if (uscript_getScript(point, &status) == USCRIPT_HAN) mask |= kHan;
    return mask;
}

bool is_older_than(char32_t code, uint8_t version) {
    UVersionInfo age;
    u_charAge(static_cast<UChar32>(code), age);
    return age[0] > 0 && age[0] < version;
}

// The general category as `tokenizers` sees it where it asks the crate unicode_categories, which ends with Unicode 8:
// later characters have none, and a few have changed since.
uint32_t category_of_unicode_8(char32_t code) {
    switch (code) {
        case 0x166D:
        case 0x111C9:
            return U_GC_PO_MASK;
        case 0x1734:
            return U_GC_MN_MASK;
        case 0x1885:
        case 0x1886:
            return U_GC_LO_MASK;
        case 0xA9BD:
            return U_GC_MC_MASK;
        default:
            return is_older_than(code, 9) ? U_GET_GC_MASK(static_cast<UChar32>(code)) : U_GC_CN_MASK;
    }
}

}  // namespace

CharacterClasses::CharacterClasses() {
    std::map<std::array<uint16_t, 256>, uint16_t> known;
    for (char32_t high = 0; high < kCodePoints >> 8; ++high) {
        std::array<uint16_t, 256> block;
        for (char32_t low = 0; low < 256; ++low) block[low] = class_of(high << 8 | low);
        const auto [entry, added] = known.emplace(block, static_cast<uint16_t>(known.size()));
        if (added) blocks_.insert(blocks_.end(), block.begin(), block.end());
        index_[high] = entry->second;
    }
    for (char32_t code = 0; code < 128; ++code) ascii_[code] = class_of(code);
}

const CharacterClasses& CharacterClasses::table() {
    static const CharacterClasses table;
    return table;
}

bool is_word_character(char32_t code) {
    const auto point = static_cast<UChar32>(code);
    return u_hasBinaryProperty(point, UCHAR_ALPHABETIC) || u_hasBinaryProperty(point, UCHAR_JOIN_CONTROL) ||
           (U_GET_GC_MASK(point) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

bool is_numeric(char32_t code) {
    return CharacterClasses::table()[code] & kNumber;
}

bool is_bert_punctuation(char32_t code) {
    if (code < 128) return CharacterClasses::table()[code] & (kPunctuation | kSymbol);
    return category_of_unicode_8(code) & U_GC_P_MASK;
}

bool is_bert_other(char32_t code) {
    return category_of_unicode_8(code) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CS_MASK | U_GC_CO_MASK);
}

bool is_bert_accent(char32_t code) {
    return category_of_unicode_8(code) & U_GC_MN_MASK;
}

bool is_combining_mark(char32_t code) {
    if (code == 0x1CF2 || code == 0x1CF3) return true;
    return code != 0x111C9 && is_older_than(code, 10) && (U_GET_GC_MASK(static_cast<UChar32>(code)) & U_GC_M_MASK);
}

bool is_chinese_character(char32_t code) {
    // The list of the original BERT, with its typo (0x2B920) as the `tokenizers` library keeps it.
    return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
           (code >= 0x20000 && code <= 0x2A6DF) || (code >= 0x2A700 && code <= 0x2B73F) ||
           (code >= 0x2B740 && code <= 0x2B81F) || (code >= 0x2B920 && code <= 0x2CEAF) ||
           (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x2F800 && code <= 0x2FA1F);
}

void append_lower_case(std::u32string& out, char32_t code) {
    if (code == 0x130) {
        out += U"i\u0307";
    } else {
        out += static_cast<char32_t>(u_tolower(static_cast<UChar32>(code)));
    }
}

}  // namespace hone::text
