#include "text/utf8.h"

#include <bit>
#include <cstring>

namespace hone::text {

namespace {

constexpr uint64_t kHighBits = 0x8080808080808080;

size_t ascii_run(std::string_view bytes, size_t position) {
    const size_t start = position;
    while (position + 8 <= bytes.size()) {
        uint64_t word;
        std::memcpy(&word, bytes.data() + position, 8);
        if (word & kHighBits) break;
        position += 8;
    }
    while (position < bytes.size() && static_cast<unsigned char>(bytes[position]) < 0x80) ++position;
    return position - start;
}

struct Sequence {
    size_t length = 0;  // bytes read: the whole character, or the maximal invalid part
    bool valid = false;
    bool unfinished = false;  // the text ended before it could be decided
};

// Table 3-7 of the Unicode standard: which second bytes may follow which first byte.
Sequence read_sequence(std::string_view bytes) {
    const auto first = static_cast<unsigned char>(bytes[0]);
    if (first < 0x80) return {1, true};
    if (first < 0xC2 || first > 0xF4) return {1, false};
    unsigned low = 0x80, high = 0xBF;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    const size_t length = utf8_length(first);
    for (size_t i = 1; i < length; ++i) {
        if (i == bytes.size()) return {i, false, true};
        const auto byte = static_cast<unsigned char>(bytes[i]);
        if (byte < low || byte > high) return {i, false};
        low = 0x80, high = 0xBF;
    }
    return {length, true};
}

bool begins_surrogate(std::string_view rest) {
    return rest.size() == 2 && rest[0] == '\xED' && static_cast<unsigned char>(rest[1]) >= 0xA0 &&
           is_continuation(rest[1]);
}

}  // namespace

void append_utf8(std::string& out, char32_t code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xC0 | code >> 6);
        out += static_cast<char>(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        out += static_cast<char>(0xE0 | code >> 12);
        out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
        out += static_cast<char>(0xF0 | code >> 18);
        out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
        out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (code & 0x3F));
    }
}

size_t count_code_points(std::string_view valid) {
    constexpr uint64_t kLowBits = 0x0101010101010101;
    size_t continuations = 0, at = 0;
    for (; at + 8 <= valid.size(); at += 8) {
        uint64_t word;
        std::memcpy(&word, valid.data() + at, 8);
        continuations += static_cast<size_t>(std::popcount((word >> 7) & (~word >> 6) & kLowBits));  // bytes 10xxxxxx
    }
    for (; at < valid.size(); ++at) continuations += is_continuation(valid[at]);
    return valid.size() - continuations;
}

bool is_ascii(std::string_view text) {
    return ascii_run(text, 0) == text.size();
}

bool is_valid_utf8(std::string_view bytes) {
    size_t position = ascii_run(bytes, 0);
    while (position < bytes.size()) {
        const Sequence next = read_sequence(bytes.substr(position));
        if (!next.valid) return false;
        position += next.length;
        if (position < bytes.size() && static_cast<unsigned char>(bytes[position]) < 0x80) {
            position += ascii_run(bytes, position);
        }
    }
    return true;
}

size_t append_repaired(std::string& out, std::string_view bytes) {
    size_t position = 0;
    while (position < bytes.size()) {
        const size_t run = ascii_run(bytes, position);
        out.append(bytes, position, run);
        position += run;
        if (position == bytes.size()) break;
        const Sequence next = read_sequence(bytes.substr(position));
        const std::string_view rest = bytes.substr(position);
        if (next.unfinished || begins_surrogate(rest)) return rest.size();
        if (next.valid) {
            out.append(bytes, position, next.length);
        } else {
            out += kReplacementBytes;
        }
        position += next.length;
    }
    return 0;
}

void append_unfinished(std::string& out, std::string_view rest) {
    if (rest.empty()) return;
    out += kReplacementBytes;
    if (begins_surrogate(rest)) out += kReplacementBytes;
}

std::string repair_utf8(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    const size_t rest = append_repaired(out, bytes);
    append_unfinished(out, bytes.substr(bytes.size() - rest));
    return out;
}

}  // namespace hone::text
