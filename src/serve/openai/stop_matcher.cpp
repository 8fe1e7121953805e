#include "serve/openai/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hone::serve {

StopPatterns::StopPatterns(std::vector<std::string> stops) {
    for (std::string& stop : stops) {
        CHECK(!stop.empty());
        Pattern pattern{.text = std::move(stop), .fallback = {0}};
        pattern.fallback.reserve(pattern.text.size());
        for (size_t i = 1; i < pattern.text.size(); ++i) {
            uint32_t length = pattern.fallback[i - 1];
            while (length > 0 && pattern.text[length] != pattern.text[i]) length = pattern.fallback[length - 1];
            pattern.fallback.push_back(length + (pattern.text[length] == pattern.text[i]));
        }
        patterns_.push_back(std::move(pattern));
    }
}

uint32_t StopPatterns::advance(size_t i, uint32_t seen, char next) const {
    const Pattern& pattern = patterns_[i];
    while (seen > 0 && pattern.text[seen] != next) seen = pattern.fallback[seen - 1];
    return seen + (pattern.text[seen] == next);
}

std::string StopMatcher::feed(std::string_view text) {
    if (matched_) return {};
    size_t longest = 0;
    for (const char next : text) {
        held_ += next;
        longest = 0;
        for (size_t i = 0; i < seen_.size(); ++i) {
            seen_[i] = patterns_->advance(i, seen_[i], next);
            longest = std::max<size_t>(longest, seen_[i]);
            const std::string& stop = patterns_->text(i);
            const bool complete = seen_[i] == stop.size();
            if (complete && (!matched_ || matched_->size() < stop.size())) matched_ = &stop;
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
