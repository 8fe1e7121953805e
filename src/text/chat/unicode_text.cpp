#include "text/chat/unicode_text.h"

#include <algorithm>
#include <cstdint>

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/uchar.h>

namespace hone::text::chat {

size_t byte_offset(std::string_view text, size_t code_point_index) {
    size_t position = 0;
    while (code_point_index > 0 && position < text.size()) {
        position += utf8_length(text[position]);
        --code_point_index;
    }
    return std::min(position, text.size());
}

bool is_space(char32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t c) {
    if (c < 0x7F) return c >= 0x20;
    switch (u_charType(static_cast<UChar32>(c))) {
        case U_CONTROL_CHAR:
        case U_FORMAT_CHAR:
        case U_SURROGATE:
        case U_PRIVATE_USE_CHAR:
        case U_UNASSIGNED:
        case U_LINE_SEPARATOR:
        case U_PARAGRAPH_SEPARATOR:
        case U_SPACE_SEPARATOR:
            return false;
        default:
            return true;
    }
}

bool is_word(char32_t c) {
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    return u_isalpha(static_cast<UChar32>(c)) ||
           u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

bool is_identifier(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
        bool is_first = at == 0;
        auto c = static_cast<UChar32>(next_code_point(text, at));
        if (c == '_') continue;
        if (!u_hasBinaryProperty(c, is_first ? UCHAR_XID_START : UCHAR_XID_CONTINUE)) return false;
    }
    return !text.empty();
}

std::string_view strip_left(std::string_view text) {
    size_t at = 0;
    while (at < text.size()) {
        size_t after = at;
        if (!is_space(next_code_point(text, after))) break;
        at = after;
    }
    return text.substr(at);
}

std::string_view strip_right(std::string_view text) {
    size_t end = text.size();
    while (end > 0) {
        size_t before = end;
        if (!is_space(previous_code_point(text, before))) break;
        end = before;
    }
    return text.substr(0, end);
}

namespace {

char ascii_upper(char c) {
    return c >= 'a' && c <= 'z' ? c - 32 : c;
}
char ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

icu::StringPiece piece(std::string_view text) {
    return {text.data(), static_cast<int32_t>(text.size())};
}

bool has_property(char32_t c, UProperty property) {
    return u_hasBinaryProperty(static_cast<UChar32>(c), property);
}

// The lower case of one code point, which stands at [start, after) of the text: a sigma at the end of a word is written
// differently (Final_Sigma of the Unicode standard, section 3.13).
void append_lower(std::string& out, std::string_view text, size_t start, size_t after) {
    size_t ahead = start;
    if (next_code_point(text, ahead) != 0x3A3) {
        out += to_lower(text.substr(start, after - start));
        return;
    }
    bool is_behind_cased = false, is_before_cased = false;
    for (size_t at = start; at > 0;) {
        char32_t c = previous_code_point(text, at);
        if (has_property(c, UCHAR_CASE_IGNORABLE)) continue;
        is_behind_cased = has_property(c, UCHAR_CASED);
        break;
    }
    for (size_t at = after; at < text.size();) {
        char32_t c = next_code_point(text, at);
        if (has_property(c, UCHAR_CASE_IGNORABLE)) continue;
        is_before_cased = has_property(c, UCHAR_CASED);
        break;
    }
    append_utf8(out, is_behind_cased && !is_before_cased ? 0x3C2 : 0x3C3);
}

// Appends the title case form of one code point.
void append_title(std::string& out, std::string_view code_point) {
    UErrorCode status = U_ZERO_ERROR;
    icu::StringByteSink<std::string> sink(&out);
    icu::CaseMap::utf8ToTitle("", U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT, nullptr,
                              piece(code_point), sink, nullptr, status);
}

}  // namespace

std::string to_upper(std::string_view text) {
    std::string out;
    if (is_ascii(text)) {
        out.resize(text.size());
        std::transform(text.begin(), text.end(), out.begin(), ascii_upper);
        return out;
    }
    UErrorCode status = U_ZERO_ERROR;
    icu::StringByteSink<std::string> sink(&out);
    icu::CaseMap::utf8ToUpper("", 0, piece(text), sink, nullptr, status);
    return out;
}

std::string to_lower(std::string_view text) {
    std::string out;
    if (is_ascii(text)) {
        out.resize(text.size());
        std::transform(text.begin(), text.end(), out.begin(), ascii_lower);
        return out;
    }
    UErrorCode status = U_ZERO_ERROR;
    icu::StringByteSink<std::string> sink(&out);
    icu::CaseMap::utf8ToLower("", 0, piece(text), sink, nullptr, status);
    return out;
}

std::string fold_case(std::string_view text) {
    std::string out;
    UErrorCode status = U_ZERO_ERROR;
    icu::StringByteSink<std::string> sink(&out);
    icu::CaseMap::utf8Fold(U_FOLD_CASE_DEFAULT, piece(text), sink, nullptr, status);
    return out;
}

std::string capitalize(std::string_view text) {
    if (text.empty()) return {};
    size_t first = utf8_length(text[0]);
    std::string out;
    append_title(out, text.substr(0, first));
    // Lower case of the whole and then cut: whether a sigma is final depends on what stands before it.
    std::string lower = to_lower(text);
    std::string lower_first = to_lower(text.substr(0, first));
    return out + lower.substr(std::min(lower_first.size(), lower.size()));
}

std::string to_title(std::string_view text) {
    std::string out;
    bool previous_is_cased = false;
    for (size_t at = 0; at < text.size();) {
        size_t start = at;
        char32_t c = next_code_point(text, at);
        if (previous_is_cased)
            append_lower(out, text, start, at);
        else
            append_title(out, text.substr(start, at - start));
        previous_is_cased = has_property(c, UCHAR_CASED);
    }
    return out;
}

std::string swap_case(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        size_t start = at;
        char32_t c = next_code_point(text, at);
        std::string_view one = text.substr(start, at - start);
        if (has_property(c, UCHAR_UPPERCASE))
            append_lower(out, text, start, at);
        else if (has_property(c, UCHAR_LOWERCASE))
            out += to_upper(one);
        else
            out += one;
    }
    return out;
}

}  // namespace hone::text::chat
