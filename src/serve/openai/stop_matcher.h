// Finds stop strings in a text that arrives in pieces and holds back what might still become one, so that no part of a
// stop string is ever given out. The result does not depend on how the text is cut: the text ends at the first position
// where any stop string is complete; of several that end there, the longest counts. The patterns are shared by all texts
// of a request, on any thread; a matcher is for one text on one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hone::serve {

// Stop strings, prepared for searching (Knuth, Morris, Pratt 1977). Immutable.
class StopPatterns {
  public:
    // `stops` are not empty, below 4 GiB, and valid UTF-8, as the text is.
    explicit StopPatterns(std::vector<std::string> stops);

    size_t size() const { return patterns_.size(); }
    const std::string& text(size_t i) const { return patterns_[i].text; }
    // How many bytes of pattern i end the input, after `seen` of them did and `next` came. seen < text(i).size().
    uint32_t advance(size_t i, uint32_t seen, char next) const;

  private:
    struct Pattern {
        std::string text;
        std::vector<uint32_t> fallback;  // [j]: length of the longest proper prefix of text that ends text[0, j]
    };
    std::vector<Pattern> patterns_;
};

class StopMatcher {
  public:
    explicit StopMatcher(std::shared_ptr<const StopPatterns> patterns, bool include_stop_in_output = false)
        : patterns_(std::move(patterns)), seen_(patterns_->size()), include_stop_(include_stop_in_output) {}

    // Text that is settled now. After a match nothing more comes.
    std::string feed(std::string_view text);
    // The end of the text: what was held back.
    std::string flush();

    // The stop string that ended the text; null while none has.
    const std::string* matched() const { return matched_; }

  private:
    std::shared_ptr<const StopPatterns> patterns_;
    std::vector<uint32_t> seen_;  // of each pattern
    bool include_stop_;
    std::string held_;
    const std::string* matched_ = nullptr;
};

}  // namespace hone::serve
