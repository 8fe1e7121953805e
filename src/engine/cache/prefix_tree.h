// Finished cache pages by the tokens that they hold: a tree whose node is one whole page and whose path from the root
// is the page's prefix. A hash only finds candidates; tokens are compared. The tree keeps its pages in the pool
// (set_cached) until they are evicted. Owned by the engine thread; looks at no page's contents.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/cache/page_pool.h"

namespace hone::engine {

// Invariant that users keep: who holds a reference on a node's page holds one on every page of its path. So pages
// without references can always be evicted leaf by leaf, and pool.cached_only() of them are to be had.
class PrefixTree {
  public:
    using Node = int32_t;
    static constexpr Node kRoot = 0, kNone = -1;
    using Hash = uint64_t (*)(Node parent, std::span<const int32_t> tokens);

    explicit PrefixTree(PagePool& pool, Hash hash = hash_page);

    // The child of `parent` that holds exactly these kPageTokens tokens, or kNone.
    Node find(Node parent, std::span<const int32_t> tokens) const;
    // Makes `page`, which every layer has written, the child of `parent` for these tokens. If there is one already,
    // that one is returned and the tree does not take `page`: the caller uses page(node) in its place (the same bits by
    // parity).
    Node publish(Node parent, std::span<const int32_t> tokens, int32_t page);
    int32_t page(Node node) const { return at(node).page; }
    // Marks the node and its path as used now.
    void touch(Node node);
    // Gives the page of the least recently used leaf that nobody references back to the pool; false if there is none.
    bool evict();
    int32_t size() const { return static_cast<int32_t>(nodes_.size() - unused_.size()) - 1; }

    static uint64_t hash_page(Node parent, std::span<const int32_t> tokens);

  private:
    struct NodeState {
        Node parent = kNone;
        int32_t page = -1;
        int32_t children = 0;
        uint64_t used = 0;
        uint64_t hash = 0;
        std::array<int32_t, kPageTokens> tokens{};
    };
    NodeState& at(Node node) { return nodes_[static_cast<size_t>(node)]; }
    const NodeState& at(Node node) const { return nodes_[static_cast<size_t>(node)]; }
    Node new_node();
    void remove(Node leaf);

    PagePool& pool_;
    Hash hash_;
    uint64_t now_ = 0;
    std::vector<NodeState> nodes_;
    std::vector<Node> unused_;
    std::unordered_multimap<uint64_t, Node> by_hash_;
    std::set<std::pair<uint64_t, Node>> leaves_;  // by last use
};

}  // namespace hone::engine
