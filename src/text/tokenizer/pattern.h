// A pattern that cuts text: a regular expression compiled by PCRE2 (with JIT), or a scanner written by hand for one of
// the published patterns, which cuts at the same places several times faster. Immutable; any thread may search.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hone::text {

struct Match {
    size_t begin = 0, end = 0;  // bytes
    bool operator==(const Match&) const = default;
};

class Pattern {
  public:
    virtual ~Pattern() = default;

    // All matches in valid UTF-8 from left to right, none overlapping another; a match may be empty.
    virtual void for_each_match(std::string_view text, const std::function<void(Match)>& visit) const = 0;
};

// Whose syntax a pattern is written in: tokenizer.json follows Oniguruma, tiktoken follows Rust's fancy-regex.
enum class RegexDialect { kOniguruma, kRust };

// The fastest pattern that cuts as `expression` does. Fails with the reason if the expression cannot be compiled.
Result<std::unique_ptr<Pattern>> make_pattern(std::string_view expression, RegexDialect dialect);

// Always PCRE2, for expressions without a scanner (and for tests, as the reference of the scanners).
Result<std::unique_ptr<Pattern>> make_regex(std::string_view expression, RegexDialect dialect);

// The hand-written scanner for exactly this expression, or null.
std::unique_ptr<Pattern> make_scanner(std::string_view expression);

// Every occurrence of `literal` (not empty).
std::unique_ptr<Pattern> make_literal(std::string literal);

// The expressions of the published tokenizers, character by character as their files have them.
namespace patterns {
extern const std::string_view kGpt2, kGpt2Long, kLlama3, kQwen2, kQwen35, kO200k, kKimi, kCl100k;
extern const std::string_view kDeepSeekDigits, kDeepSeekCjk, kDeepSeekWords;
}  // namespace patterns

}  // namespace hone::text
