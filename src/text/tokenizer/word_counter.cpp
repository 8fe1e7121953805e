#include "text/tokenizer/word_counter.h"

#include <algorithm>

#include "text/utf8.h"

namespace hone::text {

void WordCounter::add(std::string_view utf8) {
    std::string repaired;
    if (!is_valid_utf8(utf8)) utf8 = repaired = repair_utf8(utf8);
    const auto cut = [&](std::string_view text) {
        size_t done = 0;  // what lies between matches is a word too, as where a Split isolates them
        pattern_.for_each_match(text, [&](Match match) {
            count(text.substr(done, match.begin - done), 1);
            count(text.substr(match.begin, match.end - match.begin), 1);
            done = match.end;
        });
        count(text.substr(done), 1);
    };
    added_.split(utf8, AddedTokens::Stage::kInput, true, [&](const AddedTokens::Part& part) {
        if (!part.id) cut(utf8.substr(part.begin, part.end - part.begin));
    });
}

void WordCounter::count(std::string_view word, uint64_t times) {
    if (word.empty()) return;
    words_ += times;
    const auto found = counts_.find(word);
    if (found != counts_.end())
        found->second += times;
    else
        counts_.emplace(word, times);
}

void WordCounter::join(WordCounter& other) {
    for (const auto& [word, times] : other.counts_) count(word, times);
    other.counts_.clear();
    other.words_ = 0;
}

std::vector<WordCount> WordCounter::take() {
    std::vector<WordCount> words;
    words.reserve(counts_.size());
    while (!counts_.empty()) {
        auto node = counts_.extract(counts_.begin());
        words.push_back({std::move(node.key()), node.mapped()});
    }
    words_ = 0;
    std::ranges::sort(words, {}, &WordCount::word);
    return words;
}

}  // namespace hone::text
