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

bool needs_set_operation(std::string_view inside) {
    for (size_t i = 0; i < inside.size(); ++i) {
        if (inside[i] == '\\') {
            if (inside.substr(i, 2) == "\\W") return true;
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

// Character classes with nested classes or && are computed by ICU, whose sets are written a little differently.
class IcuSet {
  public:
    explicit IcuSet(RegexDialect dialect) : dialect_(dialect) {}

    // The ranges of a whole class as PCRE2 writes them.
    Result<std::string> compute(std::string_view whole) const {
        UErrorCode status = U_ZERO_ERROR;
        const std::string pattern = set_of(whole.substr(1, whole.size() - 2));
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

  private:
    std::string escape(std::string_view escape) const {
        if (escape == "\\s") return R"(\p{White_Space})";
        if (escape == "\\S") return R"(\P{White_Space})";
        if (escape == "\\d") return R"(\p{Nd})";
        if (escape == "\\D") return R"(\P{Nd})";
        if (escape == "\\h" && dialect_ == RegexDialect::kOniguruma) return "[0-9a-fA-F]";
        const std::string_view word = dialect_ == RegexDialect::kOniguruma ? kOnigurumaWord : kRustWord;
        if (escape == "\\w") return fmt::format("[{}]", word);
        if (escape == "\\W") return fmt::format("[^{}]", word);
        return std::string(escape);
    }

    // "[:alpha:]" or "[:^alpha:]"; a name that is not known stays, for ICU to refuse. Rust's mean ASCII only.
    std::string posix_class(std::string_view text) const {
        std::string_view name = text.substr(2, text.size() - 4);
        const bool negated = name.starts_with('^');
        if (negated) name.remove_prefix(1);
        for (const auto& [known, set] : kPosixClasses) {
            if (known != name) continue;
            const bool ascii = dialect_ == RegexDialect::kRust;
            return fmt::format("[{}[{}]{}]", negated ? "^" : "", set, ascii ? R"(&[\x00-\x7F])" : "");
        }
        return std::string(text);
    }

    // The inside of a class; ICU writes '&' between bracketed operands.
    std::string set_of(std::string_view body) const {
        const bool negated = body.starts_with('^');
        if (negated) body.remove_prefix(1);
        std::string operands = "[";
        for (size_t i = 0; i < body.size();) {
            if (body[i] == '\\') {
                const std::string_view whole = whole_escape(body, i);
                operands += escape(whole);
                i += whole.size();
            } else if (body[i] == '[') {
                const size_t end = end_of_class(body, i);
                if (end == std::string_view::npos) break;
                const std::string_view inner = body.substr(i, end - i);
                operands += inner.starts_with("[:") && inner.ends_with(":]") && inner.size() > 4
                                ? posix_class(inner)
                                : set_of(inner.substr(1, inner.size() - 2));
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

    RegexDialect dialect_;
};

// \p{Han} means Script=Han; PCRE2 would take Script_Extensions. It knows general categories by their short names only.
// Other properties stay.
std::string property(std::string_view name) {
    const bool negated = name.starts_with('^');
    const std::string bare(negated ? name.substr(1) : name);
    const std::string_view sign = negated ? "^" : "";
    const int32_t category = u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, bare.c_str());
    if (category != UCHAR_INVALID_CODE) {
        return fmt::format("{{{}{}}}", sign,
                           u_getPropertyValueName(UCHAR_GENERAL_CATEGORY_MASK, category, U_SHORT_PROPERTY_NAME));
    }
    const bool script = u_getPropertyValueEnum(UCHAR_SCRIPT, bare.c_str()) != UCHAR_INVALID_CODE;
    return fmt::format("{{{}{}{}}}", sign, script ? "sc:" : "", bare);
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
            case 'W':
                set(dialect_ == RegexDialect::kRust ? kRustWord
                    : in_class                      ? kOnigurumaWord
                                                    : kOnigurumaWordAlone,
                    kind == 'W');
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
        if (needs_set_operation(whole.substr(1))) {
            auto set = IcuSet(dialect_).compute(whole);
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
