// Finished cache pages by the tokens that they hold: a tree whose node is one page and whose path from the root is the
// page's prefix. Inner nodes are whole pages; a leaf may be the partly filled last page of a sequence. Every cache salt
// has a root of its own, so that tenants neither share pages nor learn of each other's. The tree keeps its pages in the
// pool (set_cached) until they are evicted. Owned by the engine thread; looks at no page's contents.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cache/page_index.h"
#include "engine/cache/page_pool.h"
#include "engine/cache/path_id.h"

namespace hone::engine {

// Invariant that users keep: who holds a reference on a node's page holds one on every page of its path. So pages
// without references can always be evicted leaf by leaf, and pool.cached_only() of them are to be had.
//
// No page's tokens are the beginning of a sibling's: the longer one replaces the shorter.
class PrefixTree {
  public:
    using Node = int32_t;
    static constexpr Node kRoot = 0, kNone = -1;  // kRoot: of requests without a salt

    explicit PrefixTree(PagePool& pool) : pool_(pool), nodes_(1) {}
    PrefixTree(const PrefixTree&) = delete;
    PrefixTree& operator=(const PrefixTree&) = delete;

    // The root for a salt ("" is kRoot), which stays while somebody holds it or pages hang from it.
    Node hold_root(std::string_view salt);
    void release_root(Node root);

    struct Match {
        Node node = kNone;
        int32_t common = 0;  // first tokens of the page that were wanted
    };
    // The child of `parent` that shares most first tokens with `wanted` (up to kPageTokens of them). common ==
    // kPageTokens: exactly this page.
    Match longest(Node parent, std::span<const int32_t> wanted) const;

    // Makes `page`, whose rows of `tokens` every layer has written, the child of `parent`. If a child covers the tokens
    // already, that one is returned and the tree does not take `page`; where both are whole, the caller uses page(node)
    // in its place (the same bits by parity). A page of fewer tokens is never referenced, only copied from.
    Node publish(Node parent, std::span<const int32_t> tokens, int32_t page);
    // Of a page's node; parent() may be a root.
    int32_t page(Node node) const { return at(node).page; }
    Node parent(Node node) const { return at(node).parent; }
    std::span<const int32_t> tokens(Node node) const { return at(node).place->first.tokens.span(); }
    // The name of a page or root outside of this process.
    const PathId& path(Node node) const;
    // Marks the node and its path as used now.
    void touch(Node node);
    // Gives the page of the least recently used leaf that nobody references back to the pool; false if there is none.
    bool evict();
    // Called with each node that evict() is about to remove.
    void set_eviction_sink(std::function<void(Node)> sink) { eviction_sink_ = std::move(sink); }
    // All pages, the last used first, parents before their children.
    std::vector<Node> by_use() const;

    int32_t size() const { return static_cast<int32_t>(pages_.size()); }
    int32_t salts() const { return static_cast<int32_t>(salts_.size()); }
    uint64_t evictions() const { return evictions_; }

  private:
    using Pages = PageIndex<Node, Node>;
    using Salts = std::map<std::string, Node, std::less<>>;
    struct NodeState {
        Node parent = kNone;  // kNone: a root
        int32_t page = -1;
        int32_t children = 0;
        int32_t depth = 0;
        uint64_t used = 0;
        Pages::Place place;                    // in pages_, of a page
        Salts::const_iterator salt;            // in salts_, of a root other than kRoot
        int32_t holders = 0;                   // of a root
        mutable std::optional<PathId> path{};  // once it was asked for
    };
    NodeState& at(Node node) { return nodes_[static_cast<size_t>(node)]; }
    const NodeState& at(Node node) const { return nodes_[static_cast<size_t>(node)]; }
    bool is_root(Node node) const { return at(node).parent == kNone; }
    Node new_node();
    void remove(Node leaf);
    void drop_root_if_idle(Node root);

    PagePool& pool_;
    uint64_t now_ = 0, evictions_ = 0;
    std::vector<NodeState> nodes_;
    std::vector<Node> unused_;
    Pages pages_;
    Salts salts_;
    std::set<std::pair<uint64_t, Node>> leaves_;  // pages by last use
    std::function<void(Node)> eviction_sink_;
};

}  // namespace hone::engine
