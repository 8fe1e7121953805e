#include "text/grammar/code_points.h"

#include <algorithm>

namespace hone::text {

constexpr char32_t kLast = 0x10FFFF, kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

CodePoints CodePoints::of(std::string_view ascii) {
    CodePoints set;
    for (const char c : ascii) set.add(static_cast<unsigned char>(c));
    return set;
}

void CodePoints::add(char32_t low, char32_t high) {
    high = std::min(high, kLast);
    if (low > high) return;
    if (low <= kLastSurrogate && high >= kFirstSurrogate) {
        if (low < kFirstSurrogate) add(low, kFirstSurrogate - 1);
        if (high > kLastSurrogate) add(kLastSurrogate + 1, high);
        return;
    }
    const auto touches_or_later = [&](const Range& range) { return range.high + 1 < low; };
    const auto first = std::partition_point(ranges_.begin(), ranges_.end(), touches_or_later);
    auto last = first;
    for (; last != ranges_.end() && last->low <= high + 1; ++last) {
        low = std::min(low, last->low);
        high = std::max(high, last->high);
    }
    ranges_.insert(ranges_.erase(first, last), Range{low, high});
}

void CodePoints::add(const CodePoints& other) {
    for (const Range& range : other.ranges_) add(range.low, range.high);
}

CodePoints CodePoints::inverted() const {
    CodePoints result;
    char32_t next = 0;
    for (const Range& range : ranges_) {
        if (range.low > next) result.add(next, range.low - 1);
        next = range.high + 1;
    }
    if (next <= kLast) result.add(next, kLast);
    return result;
}

CodePoints CodePoints::without(const CodePoints& other) const {
    CodePoints result;
    auto hole = other.ranges_.begin();
    for (Range range : ranges_) {
        while (hole != other.ranges_.end() && hole->high < range.low) ++hole;
        for (auto at = hole; at != other.ranges_.end() && at->low <= range.high; ++at) {
            if (at->low > range.low) result.add(range.low, at->low - 1);
            range.low = at->high + 1;
        }
        if (range.low <= range.high) result.add(range.low, range.high);
    }
    return result;
}

bool CodePoints::contains(char32_t code) const {
    const auto range = std::ranges::lower_bound(ranges_, code, {}, &Range::high);
    return range != ranges_.end() && range->low <= code;
}

}  // namespace hone::text
