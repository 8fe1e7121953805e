#include "text/tokenizer/trie.h"

#include <algorithm>

namespace hone::text {

Trie::Trie(std::vector<std::pair<std::string, int32_t>> entries) {
    std::erase_if(entries, [](const auto& entry) { return entry.first.empty(); });
    std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    entries.erase(
        std::unique(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first == b.first; }),
        entries.end());

    struct Range {
        size_t begin, end;  // of the entries that share a node's string
    };
    std::vector<Range> ranges = {{0, entries.size()}};
    nodes_.emplace_back();
    labels_.push_back(0);
    // Breadth first, level by level: `depth` is the length of the strings of the nodes in [level, level_end).
    for (size_t depth = 0, level = 0; level < nodes_.size(); ++depth) {
        const size_t level_end = nodes_.size();
        for (; level < level_end; ++level) {
            auto [begin, end] = ranges[level];
            if (begin < end && entries[begin].first.size() == depth) nodes_[level].value = entries[begin++].second;
            nodes_[level].first_child = static_cast<uint32_t>(nodes_.size());
            while (begin < end) {
                const char label = entries[begin].first[depth];
                const size_t start = begin;
                while (begin < end && entries[begin].first[depth] == label) ++begin;
                nodes_.emplace_back();
                labels_.push_back(label);
                ranges.push_back({start, begin});
                ++nodes_[level].child_count;
            }
        }
    }
    for (uint32_t i = 0; i < nodes_[0].child_count; ++i) {
        const uint32_t node = nodes_[0].first_child + i;
        root_[static_cast<unsigned char>(labels_[node])] = node;
    }
}

}  // namespace hone::text
