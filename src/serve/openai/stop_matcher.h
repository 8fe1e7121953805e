// Finds stop strings in a text that arrives in pieces and holds back what might still become one, so that no part of a
// stop string is ever given out. The result does not depend on how the text is cut: the text ends at the first position
// where any stop string is complete; of several that end there, the longest counts. One text, one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hone::serve {

class StopMatcher {
  public:
    // `stops` are not empty and are valid UTF-8, as the text is.
    explicit StopMatcher(std::vector<std::string> stops, bool include_stop_in_output = false);

    // Text that is settled now. After a match nothing more comes.
    std::string feed(std::string_view text);
    // The end of the text: what was held back.
    std::string flush();

    // The stop string that ended the text.
    const std::optional<std::string>& matched() const { return matched_; }

  private:
    struct Pattern {
        std::string text;
        std::vector<size_t>
            fallback;     // [i]: longest proper prefix of text that ends text[0, i] (Knuth, Morris, Pratt 1977)
        size_t seen = 0;  // bytes of text that end the input
    };
    static void advance(Pattern& pattern, char next);

    std::vector<Pattern> patterns_;
    bool include_stop_;
    std::string held_;
    std::optional<std::string> matched_;
};

}  // namespace hone::serve
