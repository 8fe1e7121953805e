#include "engine/cache/prefix_tree.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace hone::engine {

PrefixTree::Node PrefixTree::hold_root(std::string_view salt) {
    if (salt.empty()) return kRoot;
    auto found = salts_.find(salt);
    if (found == salts_.end()) {
        found = salts_.emplace(salt, new_node()).first;
        at(found->second).salt = found;
    }
    at(found->second).holders++;
    return found->second;
}

void PrefixTree::release_root(Node root) {
    if (root == kRoot) return;
    CHECK(is_root(root) && at(root).holders > 0, "node {} is no root that somebody holds", root);
    at(root).holders--;
    drop_root_if_idle(root);
}

void PrefixTree::drop_root_if_idle(Node root) {
    if (root == kRoot || at(root).holders > 0 || at(root).children > 0) return;
    salts_.erase(at(root).salt);
    unused_.push_back(root);
}

PrefixTree::Match PrefixTree::longest(Node parent, std::span<const int32_t> wanted) const {
    const auto match = pages_.longest(parent, wanted);
    if (match.common == 0) return {};
    return {match.place->second, match.common};
}

PrefixTree::Node PrefixTree::publish(Node parent, std::span<const int32_t> tokens, int32_t page) {
    const auto known = pages_.longest(parent, tokens);
    if (known.common == std::ssize(tokens)) return known.place->second;
    if (known.common > 0 && known.common == known.place->first.tokens.count()) remove(known.place->second);
    const Node added = new_node();
    NodeState& node = at(added);
    node.parent = parent;
    node.depth = at(parent).depth + 1;
    node.page = page;
    node.used = ++now_;
    node.place = pages_.add(parent, tokens, added);
    leaves_.emplace(node.used, added);
    if (at(parent).children++ == 0 && !is_root(parent)) leaves_.erase({at(parent).used, parent});
    pool_.set_cached(page, true);
    return added;
}

void PrefixTree::touch(Node node) {
    now_++;
    for (; !is_root(node); node = at(node).parent) {
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
        if (eviction_sink_) eviction_sink_(leaf);
        remove(leaf);
        evictions_++;
        return true;
    }
    return false;
}

const PathId& PrefixTree::path(Node node) const {
    // From the closest ancestor whose path is known.
    std::vector<Node> unknown;
    for (; !at(node).path && !is_root(node); node = at(node).parent) unknown.push_back(node);
    if (!at(node).path) at(node).path = root_path(node == kRoot ? std::string_view() : at(node).salt->first);
    for (; !unknown.empty(); unknown.pop_back()) {
        at(unknown.back()).path = page_path(*at(node).path, tokens(unknown.back()));
        node = unknown.back();
    }
    return *at(node).path;
}

std::vector<PrefixTree::Node> PrefixTree::by_use() const {
    std::vector<std::tuple<uint64_t, int32_t, Node>> order;
    pages_.for_each([&](Node node) { order.emplace_back(~at(node).used, at(node).depth, node); });
    std::ranges::sort(order);
    std::vector<Node> nodes;
    for (const auto& entry : order) nodes.push_back(std::get<2>(entry));
    return nodes;
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
    pages_.remove(removed.place);
    pool_.set_cached(removed.page, false);
    const Node parent = removed.parent;
    const bool was_last = --at(parent).children == 0;
    if (was_last && is_root(parent)) drop_root_if_idle(parent);
    if (was_last && !is_root(parent)) leaves_.emplace(at(parent).used, parent);
    unused_.push_back(leaf);
}

}  // namespace hone::engine
