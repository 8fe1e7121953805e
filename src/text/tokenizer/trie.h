// A set of byte strings with a value each, walked from the front: all keys that a text begins with, or the longest.
// Built once, immutable, any thread may read. Children of a node lie next to each other, so a node is 12 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hone::text {

class Trie {
  public:
    struct Found {
        size_t length = 0;
        int32_t value = 0;
    };

    Trie() = default;
    // Values are not negative; empty keys are left out; of equal keys the first wins.
    explicit Trie(std::vector<std::pair<std::string, int32_t>> entries);

    bool empty() const { return nodes_.size() <= 1; }
    bool may_start(unsigned char byte) const { return root_[byte] != 0; }

    // Calls visit(Found) for every key that is a prefix of `text`, shortest first.
    template <class Visit>
    void for_each_prefix(std::string_view text, Visit&& visit) const {
        if (text.empty()) return;
        uint32_t node = root_[static_cast<unsigned char>(text[0])];
        for (size_t length = 1; node != 0; ++length) {
            if (nodes_[node].value >= 0) visit(Found{length, nodes_[node].value});
            if (length == text.size()) return;
            node = child(node, text[length]);
        }
    }

    std::optional<Found> longest_prefix(std::string_view text) const {
        std::optional<Found> longest;
        for_each_prefix(text, [&](Found found) { longest = found; });
        return longest;
    }

  private:
    struct Node {
        uint32_t first_child = 0;
        uint16_t child_count = 0;
        int32_t value = -1;
    };

    uint32_t child(uint32_t node, char label) const {
        const Node& parent = nodes_[node];
        if (parent.child_count == 0) return 0;
        const char* labels = labels_.data() + parent.first_child;
        const auto* hit =
            static_cast<const char*>(std::memchr(labels, static_cast<unsigned char>(label), parent.child_count));
        return hit ? parent.first_child + static_cast<uint32_t>(hit - labels) : 0;
    }

    std::vector<Node> nodes_;   // node 0 is the root
    std::vector<char> labels_;  // of the edge that leads to each node
    std::array<uint32_t, 256> root_{};
};

}  // namespace hone::text
