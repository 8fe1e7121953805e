#include "text/tokenizer/regex_dialect.h"

#include <unicode/uchar.h>
#include <unicode/uniset.h>

namespace hone::text {

namespace {

// White_Space and its complement, as the inside of a class.
constexpr std::string_view kBlank =
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::string_view kNotBlank =
    R"(\x{0}-\x{8}\x{E}-\x{1F}!-\x{84}\x{86}-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E})"
    R"(\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF})";
// \w, the same way. Oniguruma means some digits of Latin-1 as well, but only outside a class.
constexpr std::string_view kOnigurumaWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr std::string_view kOnigurumaWordAlone = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";
constexpr std::string_view kRustWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D})";
// Oniguruma's [:alpha:] and so on, for ICU.
constexpr std::pair<std::string_view, std::string_view> kPosixClasses[] = {
    {"alnum", R"([\p{Alphabetic}\p{Nd}])"},
    {"alpha", R"(\p{Alphabetic})"},
    {"blank", R"([\t\p{Zs}])"},
    {"cntrl", R"(\p{Cc})"},
    {"digit", R"(\p{Nd})"},
    {"graph", R"([^\p{White_Space}\p{Cc}\p{Cn}\p{Cs}])"},
    {"lower", R"(\p{Lowercase})"},
    {"print", R"([[^\p{White_Space}\p{Cc}\p{Cn}\p{Cs}]\p{Zs}])"},
    {"punct", R"([\p{P}\p{S}])"},
    {"space", R"(\p{White_Space})"},
    {"upper", R"(\p{Uppercase})"},
    {"word", R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}])"},
    {"xdigit", R"([0-9A-Fa-f])"},
};
constexpr size_t kLongestExpression = 1 << 16;
constexpr int kDeepestClass = 16;  // nested character classes

// Where the class that opens at `begin` (a '[') ends, counting nested classes; npos if it does not.
size_t end_of_class(std::string_view text, size_t begin) {
    int depth = 0;  // a class nested too deeply does not end either
    for (size_t i = begin; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '[') {
            if (++depth > kDeepestClass) break;
        } else if (text[i] == ']' && --depth == 0) {
            return i + 1;
        }
    }
    return std::string_view::npos;
}

bool has_set_operation(std::string_view inside) {
    for (size_t i = 0; i < inside.size(); ++i) {
        if (inside[i] == '\\') {
            ++i;
        } else if (inside[i] == '[' || inside.substr(i, 2) == "&&") {
            return true;
        }
    }
    return false;
}

// The escape that starts at `begin` (a '\'), with the name or number in braces that may belong to it.
std::string_view whole_escape(std::string_view text, size_t begin) {
    const std::string_view rest = text.substr(begin);
    if (rest.size() > 2 && rest[2] == '{') return rest.substr(0, std::min(rest.find('}'), rest.size() - 1) + 1);
    return rest.substr(0, 2);
}

std::string icu_escape(std::string_view escape) {
    if (escape == "\\s") return R"(\p{White_Space})";
    if (escape == "\\S") return R"(\P{White_Space})";
    if (escape == "\\d") return R"(\p{Nd})";
    if (escape == "\\D") return R"(\P{Nd})";
    if (escape == "\\w") return fmt::format("[{}]", kWord);
    if (escape == "\\W") return fmt::format("[^{}]", kWord);
    return std::string(escape);
}

// A class with nested classes or && is computed by ICU, which writes '&' between bracketed operands.
std::string icu_set(std::string_view body) {
    const bool negated = body.starts_with('^');
    if (negated) body.remove_prefix(1);
    std::string operands = "[";
    for (size_t i = 0; i < body.size();) {
        if (body[i] == '\\') {
            const std::string_view escape = whole_escape(body, i);
            operands += icu_escape(escape);
            i += escape.size();
        } else if (body[i] == '[') {
            const size_t end = end_of_class(body, i);
            if (end == std::string_view::npos) break;
            operands += icu_set(body.substr(i + 1, end - i - 2));
            i = end;
        } else if (body.substr(i, 2) == "&&") {
            operands += "]&[";
            i += 2;
        } else {
            if (std::string_view(" $&{}").find(body[i]) != std::string_view::npos) operands += '\\';
            operands += body[i++];
        }
    }
    return fmt::format("[{}[{}]]]", negated ? "^" : "", operands);
}

Result<std::string> computed_class(std::string_view whole) {
    UErrorCode status = U_ZERO_ERROR;
    const std::string pattern = icu_set(whole.substr(1, whole.size() - 2));
    const icu::UnicodeSet set(icu::UnicodeString::fromUTF8(pattern), status);
    if (U_FAILURE(status)) return error("cannot read the character class {}: {}", whole, u_errorName(status));
    std::string out = "[";
    for (int i = 0; i < set.getRangeCount(); ++i) {
        const auto first = static_cast<uint32_t>(set.getRangeStart(i)),
                   last = static_cast<uint32_t>(set.getRangeEnd(i));
        out += fmt::format("\\x{{{:X}}}-\\x{{{:X}}}", first, last);
    }
    if (set.isEmpty()) return std::string("(?!)");
    return out + "]";
}

// \p{Han} means Script=Han; PCRE2 would take Script_Extensions. General categories and other properties stay.
std::string property(std::string_view name) {
    const bool negated = name.starts_with('^');
    const std::string bare(negated ? name.substr(1) : name);
    const bool category = u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, bare.c_str()) != UCHAR_INVALID_CODE;
    const bool script = u_getPropertyValueEnum(UCHAR_SCRIPT, bare.c_str()) != UCHAR_INVALID_CODE;
    return fmt::format("{{{}{}{}}}", negated ? "^" : "", script && !category ? "sc:" : "", bare);
}

class Translator {
  public:
    Translator(std::string_view text, RegexDialect dialect) : text_(text), dialect_(dialect) {}

    Result<std::string> run() {
        while (position_ < text_.size()) {
            const Status step = text_[position_] == '\\'  ? escape(false)
                                : text_[position_] == '[' ? character_class()
                                                          : plain();
            if (!step) return step.error();
        }
        return std::move(out_);
    }

  private:
    Status plain() {
        const char c = text_[position_++];
        out_ += c;
        // In Oniguruma "{1,3}+" repeats the interval, elsewhere it is possessive. Nobody means the former.
        if (c == '}' && dialect_ == RegexDialect::kOniguruma && position_ < text_.size() && text_[position_] == '+') {
            return error("'{{n,m}}+' at byte {} is ambiguous: Oniguruma repeats it, other engines make it possessive",
                         position_);
        }
        return ok();
    }

    Status escape(bool in_class) {
        if (position_ + 1 >= text_.size()) return error("a lone '\\' at the end");
        const char kind = text_[position_ + 1];
        const auto set = [&](std::string_view members, bool negated) {
            out_ += in_class ? std::string(members) : fmt::format("[{}{}]", negated ? "^" : "", members);
        };
        position_ += 2;
        switch (kind) {
            case 's':
                set(kBlank, false);
                break;
            case 'S':
                set(in_class ? kNotBlank : kBlank, true);
                break;
            case 'w':
                set(kWord, false);
                break;
            case 'W':
                if (in_class) return error("\\W inside a character class is not supported");
                set(kWord, true);
                break;
            case 'd':
                out_ += R"(\p{Nd})";
                break;
            case 'D':
                out_ += R"(\P{Nd})";
                break;
            case 'h':
                if (dialect_ == RegexDialect::kOniguruma)
                    set("0-9a-fA-F", false);
                else
                    out_ += "\\h";
                break;
            case 'p':
            case 'P':
                return named_property(kind);
            default:
                out_.append(text_, position_ - 2, 2);
        }
        return ok();
    }

    Status named_property(char kind) {
        out_ += '\\';
        out_ += kind;
        if (position_ >= text_.size() || text_[position_] != '{') return ok();
        const size_t close = text_.find('}', position_);
        if (close == std::string_view::npos) return error("'\\{}{{' without '}}' at byte {}", kind, position_);
        out_ += property(text_.substr(position_ + 1, close - position_ - 1));
        position_ = close + 1;
        return ok();
    }

    Status character_class() {
        const size_t end = end_of_class(text_, position_);
        if (end == std::string_view::npos) return error("'[' without ']' at byte {}, or nested too deeply", position_);
        const std::string_view whole = text_.substr(position_, end - position_);
        if (has_set_operation(whole.substr(1)) && !whole.starts_with("[[:") && !whole.starts_with("[^[:")) {
            auto set = computed_class(whole);
            if (!set) return set.error();
            out_ += *set;
            position_ = end;
            return ok();
        }
        out_ += text_[position_++];
        while (position_ < end) {
            if (text_[position_] == '\\') {
                if (const Status step = escape(true); !step) return step;
            } else {
                out_ += text_[position_++];
            }
        }
        return ok();
    }

    std::string_view text_;
    RegexDialect dialect_;
    size_t position_ = 0;
    std::string out_;
};

}  // namespace

Result<std::string> translate_regex(std::string_view expression, RegexDialect dialect) {
    if (expression.size() > kLongestExpression) {
        return error("{} bytes are more than the {} allowed for a pattern", expression.size(), kLongestExpression);
    }
    return Translator(expression, dialect).run();
}

}  // namespace hone::text
