#include "text/grammar/source_reader.h"

#include <algorithm>

#include "text/grammar/grammar_builder.h"
#include "text/utf8.h"

namespace hone::text {

Status check_source(std::string_view source, const GrammarLimits& limits) {
    if (source.size() > limits.source) return error("{} bytes are too long: at most {}", source.size(), limits.source);
    if (!is_valid_utf8(source)) return error("it is not valid UTF-8");
    return ok();
}

char32_t SourceReader::next() {
    if (at_end()) {
        fail("it ends too early");
        return 0;
    }
    return next_code_point(source_, at_);
}

bool SourceReader::take(char expected) {
    if (at_end() || source_[at_] != expected) return false;
    at_++;
    return true;
}

bool SourceReader::take(std::string_view expected) {
    if (!rest().starts_with(expected)) return false;
    at_ += expected.size();
    return true;
}

static std::optional<unsigned> digit_of(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    return std::nullopt;
}

char32_t SourceReader::hex(size_t digits) {
    const std::string_view from = rest();
    char32_t code = 0;
    for (size_t i = 0; i < digits; i++) {
        const auto digit = digit_of(peek());
        if (!digit || code > 0x10FFFF) return fail("not a number of a character", from), 0;
        code = code * 16 + *digit;
        at_++;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return fail("not a Unicode character", from), 0;
    return code;
}

char32_t SourceReader::braced_hex() {
    take('{');
    const size_t digits = std::min(rest().find('}'), rest().size());
    const char32_t code = hex(std::clamp<size_t>(digits, 1, 8));
    if (!failed() && !take('}')) fail("missing }");
    return code;
}

bool SourceReader::take_braces(uint32_t& least, std::optional<uint32_t>& most, Braces braces) {
    const std::string_view from = rest();
    const size_t begin = at_;
    if (!take('{')) return false;
    const auto number = [&]() -> std::optional<uint32_t> {
        std::optional<uint32_t> value;
        while (peek() >= '0' && peek() <= '9') {
            value = std::min<uint64_t>(uint64_t{value.value_or(0)} * 10 + (peek() - '0'), UINT32_MAX);
            at_++;
        }
        return value;
    };
    const auto low = number();
    const bool has_comma = take(',');
    const auto high = has_comma ? number() : low;
    if (!take('}') || (!low && !high)) {
        if (braces == Braces::kStrict) fail("not a repetition", from);
        at_ = begin;
        return false;
    }
    least = low.value_or(0);
    most = high;
    if (most && *most < least) fail("a repetition with its bounds the wrong way round", from);
    if (std::max(least, most.value_or(0)) > GrammarBuilder::kMostRepetitions) {
        fail(fmt::format("a repetition of more than {} times", GrammarBuilder::kMostRepetitions), from);
    }
    return true;
}

void SourceReader::fail(std::string_view reason) {
    fail(reason, rest());
}

void SourceReader::fail(std::string_view reason, std::string_view where) {
    if (failure_) return;
    const size_t at = source_.size() - where.size();
    const std::string_view before = source_.substr(0, at);
    const auto line = std::ranges::count(before, '\n') + 1;
    const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    std::string near = repair_utf8(where.substr(0, 20));
    failure_ = error("{} at line {}, column {}{}", reason, line, at - line_start + 1,
                     near.empty() ? " (the end)" : fmt::format(": '{}'", near));
}

}  // namespace hone::text
