// Hand-written scanners for the published patterns. Each `match` function follows its expression alternative by
// alternative (the comments quote them) and returns the end of the match at `begin`, or `begin` if there is none. The
// tests compare every scanner cut for cut with PCRE2.
#include <array>

#include "text/tokenizer/character_classes.h"
#include "text/tokenizer/pattern.h"
#include "text/utf8.h"

namespace hone::text {

namespace {

// What the scanners share: classes of the characters of one text, and the alternatives that most patterns end with.
class Scan {
  public:
    explicit Scan(std::string_view text) : text_(text) {}

    struct Peek {
        uint16_t mask = 0;
        uint32_t length = 0;  // 0 at the end of the text
    };

    Peek peek(size_t position) const {
        if (position >= text_.size()) return {};
        const auto byte = static_cast<unsigned char>(text_[position]);
        if (byte < 128) return {classes_.ascii(byte), 1};
        const Character c = character_at(text_, position);
        return {classes_[c.code], c.length};
    }

    // The end of the characters from `position` on that have a class of `any` and none of `none`.
    size_t run(size_t position, uint16_t any, uint16_t none = 0) const {
        for (;;) {
            const Peek next = peek(position);
            if (!(next.mask & any) || (next.mask & none)) return position;
            position += next.length;
        }
    }

    size_t run_without(size_t position, uint16_t none) const {
        for (;;) {
            const Peek next = peek(position);
            if (next.length == 0 || (next.mask & none)) return position;
            position += next.length;
        }
    }

    // (?i:'s|'t|'re|'ve|'m|'ll|'d) with Unicode case folding, in which U+017F is an s.
    size_t contraction(size_t begin, bool fold = true) const {
        if (begin + 1 >= text_.size() || text_[begin] != '\'') return begin;
        const char a = letter(begin + 1, fold), b = letter(begin + 2, fold);
        if (a == 's' || a == 't' || a == 'm' || a == 'd') return begin + 2;
        if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return begin + 3;
        return fold && text_.substr(begin + 1, 2) == "\u017F" ? begin + 3 : begin;
    }

    size_t digits(size_t begin, int limit) const {
        for (int i = 0; i < limit; ++i) {
            const Peek next = peek(begin);
            if (!(next.mask & kNumber)) break;
            begin += next.length;
        }
        return begin;
    }

    // " ?[^none]+" followed by any of the ASCII characters `tail`.
    size_t others(size_t begin, uint16_t none, std::string_view tail) const {
        const size_t start = begin + (text_[begin] == ' ');
        size_t end = run_without(start, none);
        if (end == start) return begin;
        while (end < text_.size() && tail.find(text_[end]) != std::string_view::npos) ++end;
        return end;
    }

    // \s*[\r\n]+|\s+(?!\S)|\s+ at white space. `lines` is false where the first of these is missing.
    size_t blanks(size_t begin, bool lines = true) const {
        size_t end = begin, last = begin, after_newline = begin;
        for (;;) {
            const Peek next = peek(end);
            if (!(next.mask & kSpace)) break;
            last = end;
            end += next.length;
            if (next.mask & kNewline) after_newline = end;
        }
        if (lines && after_newline > begin) return after_newline;
        return end == text_.size() || last == begin ? end : last;
    }

    size_t size() const { return text_.size(); }
    std::string_view text() const { return text_; }

  private:
    char letter(size_t position, bool fold) const {
        if (position >= text_.size()) return 0;
        const char c = text_[position];
        return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    }

    std::string_view text_;
    const CharacterClasses& classes_ = CharacterClasses::table();
};

struct Gpt2 {
    static size_t match(const Scan& scan, size_t begin) {
        const char first = scan.text()[begin];
        if (first == '\'') {
            if (const size_t end = scan.contraction(begin, false); end > begin) return end;
        }
        const size_t start = begin + (first == ' ');
        const Scan::Peek next = scan.peek(start);
        if (next.mask & kLetter) return scan.run(start, kLetter);
        if (next.mask & kNumber) return scan.run(start, kNumber);
        if (next.length > 0 && !(next.mask & kSpace)) return scan.run_without(start, kSpace | kLetter | kNumber);
        return scan.blanks(begin, false);
    }
};

// Llama-3, Qwen and cl100k differ in how many digits go together, whether a word holds marks, and in cl100k's "\s++$".
template <int digit_limit, uint16_t word, bool keeps_final_blanks>
struct Cl100kFamily {
    static size_t match(const Scan& scan, size_t begin) {
        const Scan::Peek first = scan.peek(begin);
        if (first.mask & word) return scan.run(begin, word);
        if (scan.text()[begin] == '\'') {
            if (const size_t end = scan.contraction(begin); end > begin) return end;
        }
        if (first.mask & kNumber) return scan.digits(begin, digit_limit);
        if (!(first.mask & kNewline)) {  // [^\r\n\p{L}\p{N}]?WORD+
            const size_t start = begin + first.length;
            if (const size_t end = scan.run(start, word); end > start) return end;
        }
        if (const size_t end = scan.others(begin, kSpace | kNumber | word, "\r\n"); end > begin) return end;
        if (keeps_final_blanks && scan.run(begin, kSpace) == scan.size()) return scan.size();
        return scan.blanks(begin);
    }
};

template <bool han_apart, bool slash_in_tail>
struct O200kFamily {
    static constexpr uint16_t kExcluded = han_apart ? kHan : 0;

    static size_t match(const Scan& scan, size_t begin) {
        const Scan::Peek first = scan.peek(begin);
        if (han_apart && (first.mask & kHan)) return scan.run(begin, kHan);
        if (!(first.mask & (kNewline | kNumber))) {
            if (const size_t end = word(scan, begin, first); end > begin) return scan.contraction(end);
        }
        if (first.mask & kNumber) return scan.digits(begin, 3);
        const std::string_view tail = slash_in_tail ? "\r\n/" : "\r\n";
        if (const size_t end = scan.others(begin, kSpace | kLetter | kNumber, tail); end > begin) return end;
        return scan.blanks(begin);
    }

  private:
    // The two word alternatives, each first with the optional character in front, then without.
    static size_t word(const Scan& scan, size_t begin, Scan::Peek first) {
        const bool may_precede = !(first.mask & kLetter);
        const size_t second = begin + first.length;
        if (may_precede) {
            if (const size_t end = upper_then_lower(scan, second); end > second) return end;
        }
        if (const size_t end = upper_then_lower(scan, begin); end > begin) return end;
        if (may_precede) {
            if (const size_t end = scan.run(second, kUpper, kExcluded); end > second) return end;
        }
        return scan.run(begin, kUpper, kExcluded);
    }

    // UPPER*LOWER+: the upper run gives back characters until one of them is lower too.
    static size_t upper_then_lower(const Scan& scan, size_t begin) {
        size_t position = begin, after_common = begin;
        for (;;) {
            const Scan::Peek next = scan.peek(position);
            if (!(next.mask & kUpper) || (next.mask & kExcluded)) break;
            position += next.length;
            if (next.mask & kLower) after_common = position;
        }
        const size_t end = scan.run(position, kLower, kExcluded);
        return end > position ? end : after_common;
    }
};

struct DeepSeekDigits {
    static size_t match(const Scan& scan, size_t begin) { return scan.digits(begin, 3); }
};

struct DeepSeekCjk {
    static size_t match(const Scan& scan, size_t begin) {
        size_t end = begin;
        while (end < scan.size()) {
            const Character c = character_at(scan.text(), end);
            const bool inside = (c.code >= 0x4E00 && c.code <= 0x9FA5) || (c.code >= 0x3040 && c.code <= 0x30FF);
            if (!inside) break;
            end += c.length;
        }
        return end;
    }
};

struct DeepSeekWords {
    static size_t match(const Scan& scan, size_t begin) {
        constexpr uint16_t kWord = kLetter | kMark;
        const Scan::Peek first = scan.peek(begin);
        if (first.mask & kWord) return scan.run(begin, kWord);
        const size_t start = begin + first.length;
        if (first.mask & kAsciiPunctuation) {
            if (const size_t end = scan.run(start, kAsciiLetter); end > start) return end;
        }
        if (!(first.mask & (kNewline | kPunctuation | kSymbol))) {
            if (const size_t end = scan.run(start, kWord); end > start) return end;
        }
        const size_t marks = begin + (scan.text()[begin] == ' ');
        if (size_t end = scan.run(marks, kPunctuation | kSymbol); end > marks) return scan.run(end, kNewline);
        return first.mask & kSpace ? scan.blanks(begin) : begin;
    }
};

template <class Family>
class Scanner : public Pattern {
  public:
    void for_each_match(std::string_view text, const std::function<void(Match)>& visit) const override {
        const Scan scan(text);
        size_t position = 0;
        while (position < text.size()) {
            const size_t end = Family::match(scan, position);
            if (end > position) {
                visit({position, end});
                position = end;
            } else {
                position += utf8_length(static_cast<unsigned char>(text[position]));
            }
        }
    }
};

using MakeScanner = std::unique_ptr<Pattern> (*)();

template <class Family>
std::unique_ptr<Pattern> make() {
    return std::make_unique<Scanner<Family>>();
}

}  // namespace

std::unique_ptr<Pattern> make_scanner(std::string_view expression) {
    const std::array<std::pair<std::string_view, MakeScanner>, 11> known = {{
        {patterns::kGpt2, make<Gpt2>},
        {patterns::kGpt2Long, make<Gpt2>},
        {patterns::kLlama3, make<Cl100kFamily<3, kLetter, false>>},
        {patterns::kQwen2, make<Cl100kFamily<1, kLetter, false>>},
        {patterns::kQwen35, make<Cl100kFamily<1, kLetter | kMark, false>>},
        {patterns::kCl100k, make<Cl100kFamily<3, kLetter, true>>},
        {patterns::kO200k, make<O200kFamily<false, true>>},
        {patterns::kKimi, make<O200kFamily<true, false>>},
        {patterns::kDeepSeekDigits, make<DeepSeekDigits>},
        {patterns::kDeepSeekCjk, make<DeepSeekCjk>},
        {patterns::kDeepSeekWords, make<DeepSeekWords>},
    }};
    for (const auto& [pattern, maker] : known) {
        if (pattern == expression) return maker();
    }
    return nullptr;
}

}  // namespace hone::text
