// A set of Unicode code points as sorted ranges; surrogates never belong to it, so that every member can be written in
// UTF-8. A value type, one thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace hone::text {

class CodePoints {
  public:
    struct Range {
        char32_t low = 0, high = 0;  // both inside
        bool operator==(const Range&) const = default;
    };

    CodePoints() = default;
    CodePoints(char32_t low, char32_t high) { add(low, high); }
    static CodePoints all() { return {0, 0x10FFFF}; }
    static CodePoints of(std::string_view ascii);

    void add(char32_t low, char32_t high);
    void add(char32_t code) { add(code, code); }
    void add(const CodePoints& other);
    CodePoints inverted() const;
    CodePoints without(const CodePoints& other) const;
    CodePoints common(const CodePoints& other) const { return without(other.inverted()); }

    bool contains(char32_t code) const;
    bool empty() const { return ranges_.empty(); }
    const std::vector<Range>& ranges() const { return ranges_; }
    bool operator==(const CodePoints&) const = default;

  private:
    std::vector<Range> ranges_;  // ascending, not touching
};

}  // namespace hone::text
