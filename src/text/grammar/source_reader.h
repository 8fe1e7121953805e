// Reads the source of an expression or grammar character by character, and keeps the first mistake with its place. The
// source is valid UTF-8 (check_source) and outlives the reader. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/grammar/grammar.h"

namespace hone::text {

// Whether it is short enough, and valid UTF-8.
Status check_source(std::string_view source, const GrammarLimits& limits);

class SourceReader {
  public:
    explicit SourceReader(std::string_view source) : source_(source) {}

    bool at_end() const { return at_ >= source_.size(); }
    char peek() const { return at_end() ? '\0' : source_[at_]; }  // its first byte
    std::string_view rest() const { return source_.substr(at_); }
    char32_t next();  // a whole character; a failure at the end
    bool take(char expected);
    bool take(std::string_view expected);

    // Numbers of code points in hexadecimal; a failure for what is none.
    char32_t hex(size_t digits);
    char32_t braced_hex();  // {H..}

    // {m} {m,} {m,n} {,n}: false if there is none. What looks otherwise is a failure, or ordinary text to the lenient.
    enum class Braces { kStrict, kLenient };
    bool take_braces(uint32_t& least, std::optional<uint32_t>& most, Braces braces);

    // The first counts. `where` is a rest() of before; the place is that of now without it.
    void fail(std::string_view reason);
    void fail(std::string_view reason, std::string_view where);
    bool failed() const { return failure_.has_value(); }
    const Error& failure() const { return *failure_; }

  private:
    std::string_view source_;
    size_t at_ = 0;
    std::optional<Error> failure_;
};

}  // namespace hone::text
