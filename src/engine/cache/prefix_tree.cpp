#include "engine/cache/prefix_tree.h"

#include <algorithm>

#include "base/check.h"

namespace hone::engine {

PrefixTree::PrefixTree(PagePool& pool, Hash hash) : pool_(pool), hash_(hash), nodes_(1) {}

uint64_t PrefixTree::hash_page(Node parent, std::span<const int32_t> tokens) {
    uint64_t hash = static_cast<uint64_t>(parent) + 0x9E3779B97F4A7C15;
    for (const int32_t token : tokens) {
        hash = (hash ^ static_cast<uint32_t>(token)) * 0xD6E8FEB86659FD93;
        hash ^= hash >> 32;
    }
    return hash;
}

PrefixTree::Node PrefixTree::find(Node parent, std::span<const int32_t> tokens) const {
    CHECK_EQ(tokens.size(), size_t{kPageTokens});
    const auto [first, last] = by_hash_.equal_range(hash_(parent, tokens));
    for (auto candidate = first; candidate != last; ++candidate) {
        const NodeState& node = at(candidate->second);
        if (node.parent == parent && std::ranges::equal(node.tokens, tokens)) return candidate->second;
    }
    return kNone;
}

PrefixTree::Node PrefixTree::publish(Node parent, std::span<const int32_t> tokens, int32_t page) {
    if (const Node known = find(parent, tokens); known != kNone) return known;
    const Node added = new_node();
    NodeState& node = at(added);
    node.parent = parent;
    node.page = page;
    node.used = ++now_;
    node.hash = hash_(parent, tokens);
    std::ranges::copy(tokens, node.tokens.begin());
    by_hash_.emplace(node.hash, added);
    leaves_.emplace(node.used, added);
    if (at(parent).children++ == 0 && parent != kRoot) leaves_.erase({at(parent).used, parent});
    pool_.set_cached(page, true);
    return added;
}

void PrefixTree::touch(Node node) {
    now_++;
    for (; node != kRoot; node = at(node).parent) {
        NodeState& touched = at(node);
        if (touched.children == 0) {
            leaves_.erase({touched.used, node});
            leaves_.emplace(now_, node);
        }
        touched.used = now_;
    }
}

bool PrefixTree::evict() {
    // At most one leaf a running sequence is referenced, so this skips few.
    for (const auto& [used, leaf] : leaves_) {
        if (pool_.references(at(leaf).page) > 0) continue;
        remove(leaf);
        return true;
    }
    return false;
}

PrefixTree::Node PrefixTree::new_node() {
    if (unused_.empty()) {
        nodes_.emplace_back();
        return static_cast<Node>(nodes_.size() - 1);
    }
    const Node node = unused_.back();
    unused_.pop_back();
    at(node) = {};
    return node;
}

void PrefixTree::remove(Node leaf) {
    const NodeState& removed = at(leaf);
    leaves_.erase({removed.used, leaf});
    const auto [first, last] = by_hash_.equal_range(removed.hash);
    by_hash_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == leaf; }));
    pool_.set_cached(removed.page, false);
    if (const Node parent = removed.parent; --at(parent).children == 0 && parent != kRoot) {
        leaves_.emplace(at(parent).used, parent);
    }
    unused_.push_back(leaf);
}

}  // namespace hone::engine
