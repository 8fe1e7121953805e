#include "text/chat/string_literal.h"

#include <cstdint>
#include <string>

#include <unicode/uchar.h>

#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

class Unescaper {
  public:
    Unescaper(std::string_view inside, std::string& out, std::string& problem)
        : inside_(inside), out_(out), problem_(problem) {}

    bool run() {
        while (at_ < inside_.size()) {
            if (inside_[at_] != '\\') {
                out_ += inside_[at_++];
                continue;
            }
            ++at_;
            if (!read_escape()) return false;
        }
        return high_surrogate_ == 0 || fail("surrogates not allowed");
    }

  private:
    bool fail(std::string problem) {
        problem_ = std::move(problem);
        return false;
    }

    bool add(char32_t code_point) {
        bool is_low = code_point >= 0xDC00 && code_point < 0xE000;
        if (is_low != (high_surrogate_ != 0)) return fail("surrogates not allowed");
        if (is_low) {
            code_point = 0x10000 + ((high_surrogate_ - 0xD800) << 10) + (code_point - 0xDC00);
            high_surrogate_ = 0;
        } else if (code_point >= 0xD800 && code_point < 0xDC00) {
            bool has_low = inside_.substr(at_).starts_with("\\u");
            if (!has_low) return fail("surrogates not allowed");
            high_surrogate_ = code_point;
            return true;
        }
        append_utf8(out_, code_point);
        return true;
    }

    bool read_hex(size_t digits, std::string_view name) {
        char32_t code_point = 0;
        for (size_t i = 0; i < digits; ++i, ++at_) {
            int digit = at_ < inside_.size() ? u_digit(static_cast<unsigned char>(inside_[at_]), 16) : -1;
            if (digit < 0 || static_cast<unsigned char>(inside_[at_]) >= 0x80)
                return fail("truncated " + std::string(name) + " escape");
            code_point = code_point * 16 + digit;
        }
        return code_point > 0x10FFFF ? fail("illegal Unicode character") : add(code_point);
    }

    bool read_octal() {
        char32_t code_point = 0;
        for (int i = 0; i < 3 && at_ < inside_.size() && inside_[at_] >= '0' && inside_[at_] <= '7'; ++i)
            code_point = code_point * 8 + (inside_[at_++] - '0');
        return add(code_point);
    }

    bool read_named() {
        size_t end = inside_.find('}', at_);
        if (at_ >= inside_.size() || inside_[at_] != '{' || end == inside_.npos)
            return fail("malformed \\N character escape");
        std::string name(inside_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        UErrorCode status = U_ZERO_ERROR;
        UChar32 code_point = u_charFromName(U_EXTENDED_CHAR_NAME, name.c_str(), &status);
        return U_FAILURE(status) || name.empty() ? fail("unknown Unicode character name") : add(code_point);
    }

    bool read_escape() {
        char escape = inside_[at_++];
        switch (escape) {
            case '\n':
                return true;
            case 'a':
                return add('\a');
            case 'b':
                return add('\b');
            case 'f':
                return add('\f');
            case 'n':
                return add('\n');
            case 'r':
                return add('\r');
            case 't':
                return add('\t');
            case 'v':
                return add('\v');
            case '\\':
            case '\'':
            case '"':
                return add(escape);
            case 'x':
                return read_hex(2, "\\xXX");
            case 'u':
                return read_hex(4, "\\uXXXX");
            case 'U':
                return read_hex(8, "\\UXXXXXXXX");
            case 'N':
                return read_named();
            default:
                break;
        }
        --at_;
        if (escape >= '0' && escape <= '7') return read_octal();
        out_ += '\\';  // an unknown escape stays as it is
        return true;
    }

    std::string_view inside_;
    std::string& out_;
    std::string& problem_;
    size_t at_ = 0;
    char32_t high_surrogate_ = 0;
};

}  // namespace

bool unescape_string(std::string_view inside, std::string& out, std::string& problem) {
    return Unescaper(inside, out, problem).run();
}

}  // namespace hone::text::chat
