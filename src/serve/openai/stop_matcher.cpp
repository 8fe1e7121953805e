#include "serve/openai/stop_matcher.h"

#include <algorithm>

#include "base/check.h"

namespace hone::serve {

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include_stop_in_output)
    : include_stop_(include_stop_in_output) {
    for (std::string& stop : stops) {
        CHECK(!stop.empty());
        Pattern pattern{.text = std::move(stop), .fallback = {0}};
        for (size_t i = 1; i < pattern.text.size(); ++i) {
            size_t length = pattern.fallback[i - 1];
            while (length > 0 && pattern.text[length] != pattern.text[i]) length = pattern.fallback[length - 1];
            pattern.fallback.push_back(length + (pattern.text[length] == pattern.text[i]));
        }
        patterns_.push_back(std::move(pattern));
    }
}

void StopMatcher::advance(Pattern& pattern, char next) {
    while (pattern.seen > 0 && pattern.text[pattern.seen] != next) pattern.seen = pattern.fallback[pattern.seen - 1];
    if (pattern.text[pattern.seen] == next) ++pattern.seen;
}

std::string StopMatcher::feed(std::string_view text) {
    if (matched_) return {};
    size_t longest = 0;
    for (const char next : text) {
        held_ += next;
        longest = 0;
        for (Pattern& pattern : patterns_) {
            advance(pattern, next);
            longest = std::max(longest, pattern.seen);
            const bool complete = pattern.seen == pattern.text.size();
            if (complete && (!matched_ || matched_->size() < pattern.text.size())) matched_ = pattern.text;
        }
        if (!matched_) continue;
        if (!include_stop_) held_.resize(held_.size() - matched_->size());
        return std::exchange(held_, {});
    }
    if (text.empty()) return {};
    std::string settled = held_.substr(0, held_.size() - longest);
    held_.erase(0, settled.size());
    return settled;
}

std::string StopMatcher::flush() {
    return std::exchange(held_, {});
}

}  // namespace hone::serve
